"""The service as a process: checks, the listening socket, the server."""

import asyncio
import logging
import resource
import signal
import socket
import sys

import msgspec
from litestar import Litestar

from api.app import create_app
from api.backend import preflight
from api.cli.environment import settings_or_exit
from api.cli.node_url import is_all_addresses, is_loopback, node_url
from api.observe import log_context
from api.observe.logs import set_up_logging
from api.server.process import Server, server_config
from api.settings import Settings, SettingsError
from storage.errors import StorageUnavailableError

logger = logging.getLogger(__name__)

_BACKLOG = 2048  # uvicorn's default
_STARTUP_FAILURE = 3  # uvicorn's exit code


def run(host: str, port: int) -> None:
    """Run the service on ``host`` until SIGTERM or Ctrl-C; ``port`` 0: any free one."""
    settings = settings_or_exit()
    _set_up_logging(settings)
    _check_access(settings, host)
    _raise_file_limit()
    try:
        asyncio.run(preflight(settings))
    except (StorageUnavailableError, RuntimeError) as error:
        sys.exit(f"sercuescribe: {error}")
    listening = _listen(host, port)
    # Other nodes get this node's URL, so the port must be known before the application starts.
    port = listening.getsockname()[1]
    if settings.storage_backend == "s3" and not settings.node_url:
        settings = msgspec.structs.replace(settings, node_url=node_url(host, port))
    app = _app_or_exit(settings)
    server = Server(server_config(settings, app, host, port), app.state.metrics.drain)
    # uvicorn installs this handler a moment later. After an orderly shutdown it raises the signal
    # again; without a handler that would kill the process with a nonzero exit code.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    server.run(sockets=[listening])
    if not server.started:
        sys.exit(_STARTUP_FAILURE)


def _set_up_logging(settings: Settings) -> None:
    log_context.set_process(node=socket.gethostname())
    try:
        set_up_logging(settings.log_level, settings.log_format, settings.audit_log)
    except OSError as error:
        sys.exit(f"sercuescribe: AUDIT_LOG={settings.audit_log!r} cannot be written: {error}")


def _check_access(settings: Settings, host: str) -> None:
    """Exit if AUTH_MODE is not set and ``host`` is not loopback; log the mode."""
    if not settings.auth_mode and not is_loopback(host):
        sys.exit(
            f"sercuescribe: cannot listen on {host} because AUTH_MODE is not set: every client on "
            "the network could record, listen and delete. Set AUTH_MODE=api_key or AUTH_MODE=jwt "
            "(docs/security.md), or AUTH_MODE=none to run without authentication"
        )
    if settings.requires_credentials:
        logger.info("Authentication required: AUTH_MODE=%s", settings.auth_mode)
    else:
        reach = "this machine" if is_loopback(host) else "the network"
        logger.warning("No authentication: every client on %s can record, listen, delete", reach)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server(
            (host, port),
            family=family,
            backlog=_BACKLOG,
            dualstack_ipv6=family == socket.AF_INET6
            and is_all_addresses(host)
            and socket.has_dualstack_ipv6(),
        )
    except OSError as error:
        sys.exit(f"sercuescribe: {host}:{port}: {error}")


def _app_or_exit(settings: Settings) -> Litestar:
    try:
        return create_app(settings, is_preflighted=True)
    except SettingsError as error:
        sys.exit(f"sercuescribe: {error}")


def _raise_file_limit() -> None:
    """Raise the soft limit on open files to the hard limit.

    An active session has at least three files and sockets; the usual soft limit is 1024.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
