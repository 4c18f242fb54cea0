"""The service's commands: serve, settings, doctor, key, bucket.

`api.commands` makes the ``sercuescribe`` command of them and of what else is installed.
"""

import asyncio
import functools
import logging
import resource
import signal
import socket
import sys
from ipaddress import ip_address
from typing import Any, cast

import click
import msgspec
import uvicorn
from litestar import Litestar

from api import commands
from api.access.api_keys import ApiKeysError, key_line, new_key
from api.access.identity import SCOPES, Scope
from api.app import create_app, examine, preflight, provision
from api.observe import logs
from api.server.http_protocol import Arriving, BoundedHttpProtocol
from api.server.websocket_protocol import FairWebSocketProtocol, Turns
from api.settings import Settings, SettingsError, describe, read_settings
from storage.errors import StorageUnavailableError

logger = logging.getLogger(__name__)

# uvicorn waits this long for connections to end before it cancels them; what
# comes after (persisting every recording) must fit into ten seconds, too.
_GRACEFUL_SECONDS = 4

_BACKLOG = 2048  # uvicorn's own
_STARTUP_FAILURE = 3  # uvicorn's own

main = commands.main

_COLORS = {"pass": "green", "note": "yellow", "fail": "red"}


class _Server(uvicorn.Server):
    """Says where it runs, as uvicorn does of sockets that it opened itself."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            url = f"http://{self.config.host}:{self.config.port}"
            logger.info("Uvicorn running on %s (Press CTRL+C to quit)", url)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, help="Port to listen on; 0: any free one.")
def serve(host: str, port: int) -> None:
    """Run the service until SIGTERM or Ctrl-C."""
    settings = _settings()
    logs.set_up(settings.log_level)
    _say_who_may_come_in(settings, host)
    _raise_file_limit()
    try:
        asyncio.run(preflight(settings))
    except (StorageUnavailableError, RuntimeError) as error:
        sys.exit(f"sercuescribe: {error}")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        sys.exit(f"sercuescribe: {host}:{port}: {error}")
    # The other nodes are told where this one is reached, so the port must be known first.
    port = listening.getsockname()[1]
    config = uvicorn.Config(
        _app(_named(settings, host, port)),
        host=host,
        port=port,
        workers=1,  # whatever WEB_CONCURRENCY says: a folder has one writer
        loop="uvloop",
        http=cast(
            "Any",
            functools.partial(
                BoundedHttpProtocol,
                request_seconds=settings.handshake_timeout_seconds,
                arriving=Arriving(settings.max_pending_requests),
            ),
        ),
        ws=cast("Any", functools.partial(FairWebSocketProtocol, turns=Turns())),
        ws_max_size=settings.max_message_size_bytes,
        ws_ping_interval=settings.ping_interval_seconds,
        ws_ping_timeout=settings.ping_timeout_seconds,
        ws_per_message_deflate=False,
        # uvicorn would trust the loopback address otherwise, and whoever calls from it.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=_GRACEFUL_SECONDS,
        log_config=None,  # one log, in one form
        log_level=settings.log_level,
    )
    # uvicorn raises the signal that ended it once more, when all is done; the work
    # is done by then, and an orderly end is no error.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server = _Server(config)
    server.run(sockets=[listening])
    if not server.started:
        sys.exit(_STARTUP_FAILURE)


@main.command()
def settings() -> None:
    """Print every setting: variable, current value, meaning."""
    for setting in describe(_settings()):
        changed = "" if setting.value == setting.default else f" (default: {setting.default})"
        click.echo(f"{setting.variable}={setting.value}{changed}")
        click.echo(f"    {setting.meaning}")


@main.command()
@click.option(
    "--origin",
    default="https://page.example",
    show_default=True,
    help="Origin of a page that fetches recordings.",
)
def doctor(origin: str) -> None:
    """Try what the service needs of its store, and say what to do where it fails."""
    settings = _settings()

    async def examine_all() -> bool:
        is_fit = True
        async for finding in examine(settings, origin):
            is_fit &= finding.outcome != "fail"
            word = click.style(finding.outcome, fg=_COLORS[finding.outcome])
            click.echo(f"{word}  {finding.check:<27}  {finding.detail}")
            if finding.advice:
                click.echo(f"      {finding.advice}")
        return is_fit

    try:
        is_fit = asyncio.run(examine_all())
    except StorageUnavailableError as error:
        sys.exit(f"sercuescribe: {error}")
    if not is_fit:
        sys.exit(1)


@main.command()
@click.argument("user")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    default=["record", "read"],
    show_default=True,
    help="What it may do; may be given several times.",
)
def key(user: str, scopes: tuple[Scope, ...]) -> None:
    """Make an API key for USER: the key, and the line that the service needs to know it."""
    made = new_key()
    try:
        line = key_line(made, user, scopes)
    except ApiKeysError as error:
        sys.exit(f"sercuescribe: {error}")
    click.echo(f"Key, shown this once:  {made}", err=True)
    click.echo("For API_KEYS, or a line of API_KEYS_FILE:", err=True)
    click.echo(line)


@main.group()
def bucket() -> None:
    """Prepare the bucket that the settings name."""


@bucket.command()
@click.option(
    "--origin",
    "origins",
    multiple=True,
    default=["*"],
    show_default=True,
    help="Origin whose pages may fetch recordings; may be given several times.",
)
def init(origins: tuple[str, ...]) -> None:
    """Create the bucket if need be, set its lifecycle rules and CORS; other rules stay."""
    settings = _settings()
    if settings.storage_backend != "s3":
        sys.exit("sercuescribe: there is no bucket: STORAGE_BACKEND is not s3")

    async def provision_all() -> None:
        async for done in provision(settings, list(origins)):
            click.echo(done)

    try:
        asyncio.run(provision_all())
    except StorageUnavailableError as error:
        sys.exit(f"sercuescribe: {error}")


def _named(settings: Settings, host: str, port: int) -> Settings:
    """With an address for the other nodes: that of this host, where it listens for all."""
    if settings.node_url:
        return settings
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound to
        host = socket.gethostbyname(socket.gethostname())
    return msgspec.structs.replace(settings, node_url=f"http://{host}:{port}")


def _app(settings: Settings) -> Litestar:
    try:
        return create_app(settings)
    except SettingsError as error:
        sys.exit(f"sercuescribe: {error}")


def _say_who_may_come_in(settings: Settings, host: str) -> None:
    is_loopback = host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)
    if not settings.auth_mode and not is_loopback:
        sys.exit(
            f"sercuescribe: {host} is reached from elsewhere, and AUTH_MODE is not set: anybody "
            "could record, listen and delete. Set AUTH_MODE=api_key or jwt (docs/security.md), "
            "or AUTH_MODE=none if that is what you want"
        )
    if settings.is_locked:
        logger.info("AUTH_MODE=%s: callers must say who they are", settings.auth_mode)
    else:
        reach = "this machine" if is_loopback else "the network"
        logger.warning("open: everybody on %s may record, listen and delete", reach)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _settings() -> Settings:
    try:
        return read_settings()
    except SettingsError as error:
        sys.exit(f"sercuescribe: {error}")


def _raise_file_limit() -> None:
    """A session holds three files and sockets; the usual soft limit of 1024 is soon reached."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
