"""``sercuescribe sessions``: list, show, close and delete recordings."""

import asyncio
import json
from typing import get_args

import click

from sercuescribe_client.cli.exits import MEANINGS, errors_told
from sercuescribe_client.cli.options import Caller, caller_options
from sercuescribe_client.messages import SessionInfo, Status


@click.group(epilog=MEANINGS)
def sessions() -> None:
    """List, show, close and delete recordings."""


@sessions.command(name="list", epilog=MEANINGS)
@caller_options
@click.option("--status", type=click.Choice(get_args(Status)), help="Only such sessions.")
@click.option("--user-id", help="Only sessions of this user.")
@click.option("--limit", type=click.IntRange(min=1), help="No more than that many.")
def list_sessions(
    caller: Caller, status: Status | None, user_id: str | None, limit: int | None
) -> None:
    """List sessions, newest first."""

    async def run() -> None:
        left = limit
        page_size = min(limit or 100, 100)
        async with caller.client() as client:
            async for info in client.list(status=status, user_id=user_id, page_size=page_size):
                click.echo(json.dumps(info.to_json()) if caller.as_json else _line(info))
                left = None if left is None else left - 1
                if left == 0:
                    break

    with errors_told(as_json=caller.as_json):
        asyncio.run(run())


@sessions.command(epilog=MEANINGS)
@click.argument("session_id")
@caller_options
def show(caller: Caller, session_id: str) -> None:
    """Print everything there is to say of a session."""

    async def run() -> SessionInfo:
        async with caller.client() as client:
            return await client.info(session_id)

    with errors_told(as_json=caller.as_json):
        _print(asyncio.run(run()), as_json=caller.as_json)


@sessions.command(epilog=MEANINGS)
@click.argument("session_id")
@caller_options
def close(caller: Caller, session_id: str) -> None:
    """Complete a session, whoever is sending to it."""

    async def run() -> SessionInfo:
        async with caller.client() as client:
            return await client.close(session_id)

    with errors_told(as_json=caller.as_json):
        _print(asyncio.run(run()), as_json=caller.as_json)


@sessions.command(epilog=MEANINGS)
@click.argument("session_id")
@caller_options
def delete(caller: Caller, session_id: str) -> None:
    """Delete a session's audio and everything else of it."""

    async def run() -> None:
        async with caller.client() as client:
            await client.delete(session_id)

    with errors_told(as_json=caller.as_json):
        asyncio.run(run())
        if caller.as_json:
            click.echo(json.dumps({"event": "deleted", "session_id": session_id}))
        else:
            click.echo(f"{session_id} deleted")


def _line(info: SessionInfo) -> str:
    return (
        f"{info.session_id}  {info.status:<9}  {info.duration_seconds:10.2f} s"
        f"  {info.sample_rate:>5} Hz  {info.channels} ch  {info.created_at:%Y-%m-%d %H:%M:%S}"
        f"  {info.user_id or ''}"
    ).rstrip()


def _print(info: SessionInfo, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(info.to_json()))
        return
    for name, value in info.to_json().items():
        click.echo(f"{name + ':':<24} {'' if value is None else value}".rstrip())
