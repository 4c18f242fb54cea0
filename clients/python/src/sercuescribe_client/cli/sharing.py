"""``sercuescribe sessions share``, ``links``, ``unshare``: links for people without an account."""

import json
from datetime import UTC, datetime, timedelta
from typing import get_args

import click

from sercuescribe_client.cli.exit_codes import EXIT_CODES_HELP, exit_on_error
from sercuescribe_client.cli.interrupt_handler import run_until_interrupted
from sercuescribe_client.cli.options import CommonOptions, common_options, parse_lifetime
from sercuescribe_client.models import LinkFormat, SharedLink

_LINE = "{:<32}  {:<19}  {:<19}  {:<19}  {}"
_HEADER = _LINE.format("LINK", "CREATED (UTC)", "ENDS (UTC)", "SECONDS", "FORMAT")


@click.command(epilog=EXIT_CODES_HELP)
@click.argument("session_id")
@click.option(
    "--expires",
    "lifetime",
    callback=parse_lifetime,
    metavar="TIME",
    help="When the link ends: a time from now such as 30m, 12h or 7d, or a date or time in the"
    " local zone. Default: what the service says.",
)
@click.option("--start", type=click.FloatRange(min=0), metavar="SECONDS", help="Share from here.")
@click.option("--end", type=click.FloatRange(min=0), metavar="SECONDS", help="Share up to here.")
@click.option("--format", type=click.Choice(get_args(LinkFormat)), help="Convert to this format.")
@common_options
def share(
    common: CommonOptions,
    session_id: str,
    *,
    lifetime: timedelta | None,
    start: float | None,
    end: float | None,
    format: LinkFormat | None,  # noqa: A002 - the name of the option
) -> None:
    """Print a new link that plays a completed recording, for people without an account.

    The link is enough to hear the recording until it ends or is revoked. The service
    shows the address only once.
    """

    async def run() -> SharedLink:
        async with common.client() as client:
            return await client.share(
                session_id, lifetime=lifetime, start_seconds=start, end_seconds=end, format=format
            )

    with exit_on_error(as_json=common.as_json):
        link = run_until_interrupted(run())
        if common.as_json:
            click.echo(json.dumps(link.to_json()))
        else:
            click.echo(link.url)
            click.echo(f"link {link.link_id} ends {_time(link.expires_at)} UTC", err=True)


@click.command(epilog=EXIT_CODES_HELP)
@click.argument("session_id")
@common_options
def links(common: CommonOptions, session_id: str) -> None:
    """List the links of a session, the oldest first, without their addresses."""

    async def run() -> tuple[SharedLink, ...]:
        async with common.client() as client:
            return await client.links(session_id)

    with exit_on_error(as_json=common.as_json):
        found = run_until_interrupted(run())
        if found and not common.as_json:
            click.echo(_HEADER)
        for link in found:
            click.echo(json.dumps(link.to_json()) if common.as_json else _link_line(link))


@click.command(epilog=EXIT_CODES_HELP)
@click.argument("session_id")
@click.argument("link_id")
@common_options
def unshare(common: CommonOptions, session_id: str, link_id: str) -> None:
    """Revoke a link of a session at once."""

    async def run() -> None:
        async with common.client() as client:
            await client.unshare(session_id, link_id)

    with exit_on_error(as_json=common.as_json):
        run_until_interrupted(run())
        if common.as_json:
            event = {"event": "unshared", "session_id": session_id, "link_id": link_id}
            click.echo(json.dumps(event))
        else:
            click.echo(f"{link_id} revoked")


def _link_line(link: SharedLink) -> str:
    has_ended = link.expires_at <= datetime.now(UTC)
    return _LINE.format(
        link.link_id,
        _time(link.created_at),
        "ended" if has_ended else _time(link.expires_at),
        "all" if link.start is None and link.end is None else _part(link),
        link.format or "wav",
    )


def _part(link: SharedLink) -> str:
    return f"{link.start or 0:g} to {'end' if link.end is None else f'{link.end:g}'}"


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
