"""``sercuescribe serve``."""

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

from api.app import create_app, preflight
from api.cli.environment import settings_or_exit
from api.observe.logs import set_up_logging
from api.server.process import Server, server_config
from api.settings import Settings, SettingsError
from storage.errors import StorageUnavailableError

logger = logging.getLogger(__name__)

_BACKLOG = 2048  # uvicorn's own
_STARTUP_FAILURE = 3  # uvicorn's own


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
    # The other nodes are told this node's address, so the port must be known first.
    port = listening.getsockname()[1]
    settings = _with_node_url(settings, host, port)
    server = Server(server_config(settings, _app_or_exit(settings), host, port))
    # uvicorn raises the signal that ended it once more when everything is done; an orderly
    # end is no error.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run(sockets=[listening])
    if not server.started:
        sys.exit(_STARTUP_FAILURE)


def _check_access(settings: Settings, host: str) -> None:
    """Refuse to listen beyond loopback without `AUTH_MODE`; log what callers must show."""
    is_loopback = host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)
    if not settings.auth_mode and not is_loopback:
        sys.exit(
            f"sercuescribe: {host} is reached from elsewhere, and AUTH_MODE is not set: anybody "
            "could record, listen and delete. Set AUTH_MODE=api_key or jwt (docs/security.md), "
            "or AUTH_MODE=none if that is what you want"
        )
    if settings.requires_credentials:
        logger.info("AUTH_MODE=%s: callers must say who they are", settings.auth_mode)
    else:
        reach = "this machine" if is_loopback else "the network"
        logger.warning("open: everybody on %s may record, listen and delete", reach)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        sys.exit(f"sercuescribe: {host}:{port}: {error}")


def _with_node_url(settings: Settings, host: str, port: int) -> Settings:
    """Add the address for the other nodes: this machine's, if the service listens on all."""
    if settings.node_url:
        return settings
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound to
        host = socket.gethostbyname(socket.gethostname())
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
    """A session holds three files and sockets; the usual soft limit of 1024 is soon reached."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
