"""What a process that serves needs, alone or as a worker."""

import resource
import socket
import sys
from collections.abc import Callable
from typing import TypeVar

import msgspec

from api.cli.node_url import node_url
from api.observe import log_context
from api.observe.logs import set_up_logging
from api.settings import Settings, SettingsError

T = TypeVar("T")


def log_to_stderr(settings: Settings, worker: str = "") -> None:
    """Set up logging; every line names the ``worker``. Exit with 1 if AUDIT_LOG is not writable."""
    log_context.set_process(node=socket.gethostname(), worker=worker)
    try:
        set_up_logging(settings.log_level, settings.log_format, settings.audit_log)
    except OSError as error:
        sys.exit(f"sercuescribe: AUDIT_LOG={settings.audit_log!r} cannot be written: {error}")


def with_node_url(settings: Settings, host: str, port: int) -> Settings:
    """Return the settings with the URL at which other nodes of the bucket reach this one."""
    if settings.storage_backend != "s3" or settings.node_url:
        return settings
    return msgspec.structs.replace(settings, node_url=node_url(host, port))


def or_exit(create: Callable[[], T]) -> T:
    """Return what ``create`` returns; exit with 1 if a setting is not valid."""
    try:
        return create()
    except SettingsError as error:
        sys.exit(f"sercuescribe: {error}")


def raise_file_limit() -> None:
    """Raise the soft limit on open files to the hard limit.

    An active session has at least three files and sockets; the usual soft limit is 1024.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
