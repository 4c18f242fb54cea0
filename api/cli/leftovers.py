"""The command ``sercuescribe gc``."""

import sys
from datetime import UTC, datetime, timedelta

import click

from api.backend import open_leftovers
from api.cli.environment import settings_or_exit
from api.cli.interruption import run_until_interrupted
from storage.errors import StorageUnavailableError
from storage.leftovers import Leftovers


@click.command()
@click.option("--delete", is_flag=True, help="Delete what is found. Without it, only print it.")
@click.option(
    "--older-than",
    "hours",
    type=click.FloatRange(min=1),
    default=24,
    show_default=True,
    metavar="HOURS",
    help="Only what was last written longer ago.",
)
def gc(*, delete: bool, hours: float) -> None:
    """Find what crashes have left in the storage, and delete it with --delete.

    Uploads, segments and spools of sessions that are completed or gone, index entries without a
    session, temporary files. Nothing of a session that is not completed. May run beside the
    service.
    """
    settings = settings_or_exit()
    before = datetime.now(UTC) - timedelta(hours=hours)

    async def run() -> bool:
        async with open_leftovers(settings) as leftovers:
            return await _collect(leftovers, before, is_deleting=delete)

    try:
        is_whole = run_until_interrupted(run(), hint="run the command again for the rest")
    except StorageUnavailableError as error:
        sys.exit(f"sercuescribe: {error}")
    if not is_whole:
        sys.exit(1)


async def _collect(leftovers: Leftovers, before: datetime, *, is_deleting: bool) -> bool:
    """Print one line for each leftover, and the counts; return whether no deletion has failed."""
    found = size_bytes = deleted = failed = 0
    async for each in leftovers.find(before, _left_alone):
        found += 1
        size_bytes += each.size_bytes
        changed_at = f"{each.changed_at:%Y-%m-%d %H:%M}"
        text = f"{each.kind}: {each.name}  {each.size_bytes} bytes  {changed_at}"
        if not is_deleting:
            click.echo(text)
            continue
        try:
            await each.remove()
        except StorageUnavailableError as error:
            failed += 1
            click.echo(f"{each.kind}: {each.name} failed: {error}", err=True)
        else:
            deleted += 1
            click.echo(f"deleted {text}")
    click.echo(f"found={found} bytes={size_bytes} deleted={deleted} failed={failed}")
    if found and not is_deleting:
        click.echo("Nothing was deleted. To delete all of this: sercuescribe gc --delete", err=True)
    return failed == 0


def _left_alone(name: str, reason: object) -> None:
    click.echo(f"left alone: {name}: {reason}", err=True)
