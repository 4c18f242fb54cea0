"""``sercuescribe delete``: delete all recordings of one user."""

import json
from collections import Counter

import click

from sercuescribe_client.cli.exit_codes import EXIT_CODES_HELP, FAILED, exit_on_error
from sercuescribe_client.cli.interrupt_handler import run_until_interrupted
from sercuescribe_client.cli.options import CommonOptions, common_options
from sercuescribe_client.client import Client
from sercuescribe_client.errors import SercueScribeError, SessionNotFoundError
from sercuescribe_client.models import SessionInfo

# The user may create sessions meanwhile: a list is empty in the end, or the user goes on.
_ROUNDS = 3


@click.command(epilog=EXIT_CODES_HELP)
@click.argument("user")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
def delete(common: CommonOptions, user: str, *, yes: bool) -> None:
    """Delete all recordings of USER, completed and active, and report each.

    USER is the user_id of the sessions. Needs a key with the scope admin. Links and session tokens
    of a deleted session are worth nothing. Remove the API keys of USER first. Sessions with a hold
    are left: lift it with sercuescribe sessions edit --no-hold.
    """
    with exit_on_error(as_json=common.as_json):
        if not yes:
            _ask(run_until_interrupted(_count_sessions(common, user)), user)
        counts = run_until_interrupted(_delete_all(common, user))
    if common.as_json:
        click.echo(json.dumps({"event": "done", "user_id": user, **counts}))
    else:
        click.echo(" ".join(f"{name}={count}" for name, count in counts.items()))
    if counts["held"] or counts["failed"] or counts["left"]:
        raise SystemExit(FAILED)


def _ask(count: int, user: str) -> None:
    """Ask on the terminal, outside the event loop, so that Ctrl-C answers no."""
    if count:
        click.confirm(f"Delete {count} recordings of {user}?", abort=True, err=True)


async def _count_sessions(common: CommonOptions, user: str) -> int:
    async with common.client() as client:
        return len(await _sessions_of(client, user))


async def _delete_all(common: CommonOptions, user: str) -> dict[str, int]:
    counts: Counter[str] = Counter()
    remaining: set[str] = set()
    async with common.client() as client:
        found = await _sessions_of(client, user)
        for _ in range(_ROUNDS):
            for info in found:
                outcome = await _delete_one(common, client, info)
                counts[outcome] += 1
                if outcome in {"held", "failed"}:
                    remaining.add(info.session_id)
            left = await _sessions_of(client, user)
            found = [each for each in left if each.session_id not in remaining]
            if not found:
                break
    return {
        "deleted": counts["completed"] + counts["active"],
        "active": counts["active"],
        "held": counts["held"],
        "failed": counts["failed"],
        "left": len(found),
    }


async def _sessions_of(client: Client, user: str) -> list[SessionInfo]:
    return [info async for info in client.list(user_id=user)]


async def _delete_one(common: CommonOptions, client: Client, info: SessionInfo) -> str:
    """Delete a session, print what was done, and return a word for it."""
    outcome, detail = str(info.status), ""
    try:
        await client.delete(info.session_id)
    except SessionNotFoundError:
        return "gone"
    except SercueScribeError as error:
        outcome, detail = "held" if error.code == "session_held" else "failed", str(error)
    if common.as_json:
        fields = {"event": outcome if detail else "deleted", "error": detail or None}
        click.echo(json.dumps({**fields, **info.to_json()}))
    elif detail:
        click.echo(f"{info.session_id} {outcome}: {detail}", err=True)
    else:
        click.echo(
            f"{info.session_id} deleted  {info.status:<9}  {info.duration_seconds:10.2f} s"
            f"  {info.created_at:%Y-%m-%d %H:%M:%S}"
        )
    return outcome
