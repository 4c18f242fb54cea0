"""``sercuescribe sessions``: list, show, edit, close, delete and share recordings."""

import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Literal, get_args

import click

from sercuescribe_client.cli.exit_codes import (
    EXIT_CODES_HELP,
    FAILED,
    exit_code,
    exit_on_error,
    print_error,
)
from sercuescribe_client.cli.interrupt_handler import run_until_interrupted
from sercuescribe_client.cli.options import (
    CommonOptions,
    common_options,
    metadata_option,
    parse_expiry,
    parse_time,
)
from sercuescribe_client.cli.sharing import links, share, unshare
from sercuescribe_client.cli.size_text import size_text
from sercuescribe_client.cli.warning_text import warning_text
from sercuescribe_client.client import Client
from sercuescribe_client.errors import SercueScribeError
from sercuescribe_client.models import SessionInfo, Status


@click.group(epilog=EXIT_CODES_HELP)
def sessions() -> None:
    """List, show, edit, close, delete and share recordings."""


for _command in (share, links, unshare):
    sessions.add_command(_command)


@sessions.command(name="list", epilog=EXIT_CODES_HELP)
@common_options
@click.option("--status", type=click.Choice(get_args(Status)), help="Only sessions of this status.")
@click.option("--user-id", help="Only sessions of this user.")
@click.option(
    "--has-warnings/--no-warnings", default=None, help="Only sessions with warnings, or without."
)
@click.option(
    "--since",
    callback=parse_time,
    metavar="TIME",
    help="Only sessions that were created then or later.",
)
@click.option(
    "--until", callback=parse_time, metavar="TIME", help="Only sessions that were created before."
)
@click.option(
    "--query", help="Part of the title, of a value of metadata or of the user; or beginning of id."
)
@metadata_option
@click.option("--oldest-first", is_flag=True, help="List the oldest sessions first.")
@click.option("--limit", type=click.IntRange(min=1), help="Maximum number of sessions.")
def list_sessions(
    common: CommonOptions, *, limit: int | None, query: str | None, **filters: Any
) -> None:
    """List sessions, newest first.

    Times are dates or times in the local zone, such as 2026-11-26 or 2026-11-26T08:30, or ages
    such as 30m, 12h or 7d.
    """

    async def run() -> None:
        left = limit
        is_first = True
        async with common.client() as client:
            found = client.list(
                status=filters["status"],
                user_id=filters["user_id"],
                has_warnings=filters["has_warnings"],
                created_from=filters["since"],
                created_to=filters["until"],
                text=query,
                metadata=filters["metadata"],
                oldest_first=filters["oldest_first"],
                page_size=min(limit or 100, 100),
            )
            async for info in found:
                if is_first and not common.as_json:
                    click.echo(_HEADER)
                is_first = False
                click.echo(json.dumps(info.to_json()) if common.as_json else _session_line(info))
                left = None if left is None else left - 1
                if left == 0:
                    break

    with exit_on_error(as_json=common.as_json):
        run_until_interrupted(run())


@sessions.command(epilog=EXIT_CODES_HELP)
@click.argument("session_id")
@common_options
def show(common: CommonOptions, session_id: str) -> None:
    """Print all information about a session."""
    _call_and_print(common, lambda client: client.info(session_id))


@sessions.command(epilog=EXIT_CODES_HELP)
@click.argument("session_id")
@click.option("--title", help="New title; an empty one removes the title.")
@metadata_option
@click.option("--no-meta", "is_without_metadata", is_flag=True, help="Remove all metadata.")
@click.option(
    "--hold/--no-hold",
    default=None,
    help="Let nothing delete the session, or let it again, which only an admin can.",
)
@click.option(
    "--expires-at",
    metavar="TIME",
    callback=parse_expiry,
    help="Delete the completed session then: a local time, or 30d from now; never: not.",
)
@common_options
def edit(
    common: CommonOptions,
    session_id: str,
    *,
    title: str | None,
    metadata: dict[str, str],
    is_without_metadata: bool,
    hold: bool | None,
    expires_at: datetime | Literal["never"] | None,
) -> None:
    """Change title, metadata, hold and time of expiry of a session, also while it records.

    --meta replaces all metadata.
    """
    is_changing_metadata = bool(metadata) or is_without_metadata
    if title is None and not is_changing_metadata and hold is None and expires_at is None:
        raise click.UsageError("give --title, --meta, --no-meta, --hold, --no-hold or --expires-at")

    new = metadata if is_changing_metadata else None
    _call_and_print(
        common,
        lambda client: client.update(
            session_id, title=title, metadata=new, hold=hold, expires_at=expires_at
        ),
    )


@sessions.command(epilog=EXIT_CODES_HELP)
@click.argument("session_id")
@common_options
def pause(common: CommonOptions, session_id: str) -> None:
    """Pause a session: the service records none of the chunks that follow."""
    _call_and_print(common, lambda client: client.pause(session_id))


@sessions.command(epilog=EXIT_CODES_HELP)
@click.argument("session_id")
@common_options
def resume(common: CommonOptions, session_id: str) -> None:
    """End the pause of a session."""
    _call_and_print(common, lambda client: client.resume(session_id))


@sessions.command(epilog=EXIT_CODES_HELP)
@click.argument("session_id")
@click.argument("label")
@common_options
def mark(common: CommonOptions, session_id: str, *, label: str) -> None:
    """Add a mark to the timeline, at the last recorded frame."""
    _call_and_print(common, lambda client: client.mark(session_id, label))


@sessions.command(epilog=EXIT_CODES_HELP)
@click.argument("session_id")
@common_options
def timeline(common: CommonOptions, session_id: str) -> None:
    """Print when what happened: connections, gaps, pauses and marks."""

    async def run() -> dict[str, Any]:
        async with common.client() as client:
            return await client.timeline(session_id)

    with exit_on_error(as_json=common.as_json):
        found = run_until_interrupted(run())
        click.echo(json.dumps(found) if common.as_json else _timeline_text(found))


@sessions.command(epilog=EXIT_CODES_HELP)
@click.argument("session_id")
@common_options
def close(common: CommonOptions, session_id: str) -> None:
    """Complete a session, even if another client is sending to it."""
    _call_and_print(common, lambda client: client.close(session_id))


@sessions.command(epilog=EXIT_CODES_HELP)
@click.argument("session_ids", nargs=-1, required=True, metavar="ID...")
@click.option("--yes", is_flag=True, help="Do not ask before several sessions are deleted.")
@common_options
def delete(common: CommonOptions, session_ids: tuple[str, ...], *, yes: bool) -> None:
    """Delete sessions with their audio. One that fails does not stop the others."""
    if len(session_ids) > 1 and not yes:
        click.confirm(f"Delete {len(session_ids)} recordings?", abort=True, err=True)

    async def run() -> list[int]:
        codes: list[int] = []
        async with common.client() as client:
            for session_id in session_ids:
                try:
                    await client.delete(session_id)
                except SercueScribeError as error:
                    print_error(error, as_json=common.as_json)
                    codes.append(exit_code(error))
                    continue
                if common.as_json:
                    click.echo(json.dumps({"event": "deleted", "session_id": session_id}))
                else:
                    click.echo(f"{session_id} deleted")
        return codes

    with exit_on_error(as_json=common.as_json):
        codes = run_until_interrupted(run())
    if codes:
        raise SystemExit(codes[0] if len(set(codes)) == 1 else FAILED)


_LINE = "{:<36}  {:<9}  {:<19}  {:>11}  {:>10}  {:<10}  {}"
_HEADER = _LINE.format("SESSION", "STATUS", "CREATED (UTC)", "DURATION", "SIZE", "USER", "TITLE")


def _session_line(info: SessionInfo) -> str:
    return _LINE.format(
        info.session_id,
        info.status,
        f"{info.created_at:%Y-%m-%d %H:%M:%S}",
        f"{info.duration_seconds:.2f} s",
        size_text(info.size_bytes),
        info.user_id or "-",
        info.title or "",
    ).rstrip()


def _timeline_text(timeline: dict[str, Any]) -> str:
    """Return one line for each event, in the order of their times."""
    events = [
        *((each["began_at"], "connected", "") for each in timeline["connections"]),
        *(
            (each["ended_at"], "disconnected", f"frames: {each['frames']}")
            for each in timeline["connections"]
        ),
        *((each["at"], "gap", f"{each['seconds']:.3f} s") for each in timeline["gaps"]),
        *((each["began_at"], "paused", "") for each in timeline["pauses"]),
        *((each["ended_at"], "resumed", f"{each['seconds']} s") for each in timeline["pauses"]),
        *((each["at"], "mark", each["label"]) for each in timeline["marks"]),
    ]
    # Their texts have no order: the one at a whole second has no fraction.
    timed = [(datetime.fromisoformat(at), kind, text) for at, kind, text in events if at]
    timed.sort(key=itemgetter(0))
    lines = [f"{_time_text(at)}  {kind:<12}  {text}".rstrip() for at, kind, text in timed]
    if any(timeline.get("omitted", {}).values()):
        counts = " ".join(f"{name}={value}" for name, value in timeline["omitted"].items())
        lines.append(f"not listed: {counts}")
    return "\n".join(lines)


def _time_text(at: datetime) -> str:
    """Return the time in UTC with milliseconds, always as long."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _call_and_print(
    common: CommonOptions, call: Callable[[Client], Coroutine[Any, Any, SessionInfo]]
) -> None:
    """Print the session that a call of the client returns."""

    async def run() -> SessionInfo:
        async with common.client() as client:
            return await call(client)

    with exit_on_error(as_json=common.as_json):
        _print_session(run_until_interrupted(run()), as_json=common.as_json)


def _print_session(info: SessionInfo, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(info.to_json()))
        return
    for name, value in info.to_json().items():
        if name not in {"warnings", "metadata"}:
            click.echo(f"{name + ':':<24} {'' if value is None else value}".rstrip())
    for key, text in info.metadata.items():
        click.echo(f"{'metadata:':<24} {key}={text}")
    for warning in info.warnings:
        click.echo(f"{'warning:':<24} {warning_text(warning)}")
