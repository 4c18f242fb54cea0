"""The command ``sercuescribe serve``."""

import asyncio
import logging
import resource
import signal
import socket
import sys
from ipaddress import ip_address

import click
import msgspec
from litestar import Litestar

from api.app import create_app
from api.backend import preflight
from api.cli.environment import settings_or_exit
from api.observe.logs import set_up_logging
from api.server.process import Server, server_config
from api.settings import Settings, SettingsError
from storage.errors import StorageUnavailableError

logger = logging.getLogger(__name__)

_BACKLOG = 2048  # uvicorn's default
_STARTUP_FAILURE = 3  # uvicorn's exit code


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, help="Port to listen on; 0: any free one.")
def serve(host: str, port: int) -> None:
    """Run the service until SIGTERM or Ctrl-C."""
    settings = settings_or_exit()
    set_up_logging(settings.log_level)
    _check_access(settings, host)
    _raise_file_limit()
    try:
        asyncio.run(preflight(settings))
    except (StorageUnavailableError, RuntimeError) as error:
        sys.exit(f"sercuescribe: {error}")
    listening = _listen(host, port)
    # Other nodes get this node's URL, so the port must be known before the application starts.
    port = listening.getsockname()[1]
    settings = _with_node_url(settings, host, port)
    server = Server(server_config(settings, _app_or_exit(settings), host, port))
    # After an orderly shutdown uvicorn raises the signal again; without a handler that would kill
    # the process with a nonzero exit code.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run(sockets=[listening])
    if not server.started:
        sys.exit(_STARTUP_FAILURE)


def _check_access(settings: Settings, host: str) -> None:
    """Exit if AUTH_MODE is not set and ``host`` is not loopback; log the mode."""
    is_loopback = host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)
    if not settings.auth_mode and not is_loopback:
        sys.exit(
            f"sercuescribe: cannot listen on {host} because AUTH_MODE is not set: every client on "
            "the network could record, listen and delete. Set AUTH_MODE=api_key or AUTH_MODE=jwt "
            "(docs/security.md), or AUTH_MODE=none to run without authentication"
        )
    if settings.requires_credentials:
        logger.info("Authentication required: AUTH_MODE=%s", settings.auth_mode)
    else:
        reach = "this machine" if is_loopback else "the network"
        logger.warning("No authentication: every client on %s can record, listen, delete", reach)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        sys.exit(f"sercuescribe: {host}:{port}: {error}")


def _with_node_url(settings: Settings, host: str, port: int) -> Settings:
    """Return ``settings`` with NODE_URL filled in.

    If the service listens on all addresses, it is the address of this machine's host name. With
    the local backend there are no other nodes, and NODE_URL stays empty.
    """
    if settings.node_url or settings.storage_backend == "local":
        return settings
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound to
        try:
            host = socket.gethostbyname(socket.gethostname())
        except OSError as error:
            name = socket.gethostname()
            sys.exit(f"sercuescribe: the host name {name} has no address ({error}): set NODE_URL")
    return msgspec.structs.replace(settings, node_url=f"http://{host}:{port}")


def _app_or_exit(settings: Settings) -> Litestar:
    try:
        return create_app(settings, is_preflighted=True)
    except SettingsError as error:
        sys.exit(f"sercuescribe: {error}")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _raise_file_limit() -> None:
    """Raise the soft limit on open files to the hard limit.

    An active session has at least three files and sockets; the usual soft limit is 1024.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
