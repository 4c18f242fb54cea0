"""The command ``sercuescribe migrate``."""

import sys
from pathlib import Path
from uuid import UUID

import click
import msgspec

from api.backend import open_archive
from api.cli.copying import copy_all, jobs_option
from api.cli.environment import settings_or_exit
from api.cli.interruption import run_until_interrupted
from api.cli.variables_file import read_or_exit
from api.events.entry import NewerEntryError, decode
from storage.archive import AnyArchive
from storage.errors import BadObjectError, RecordingNotFoundError, StorageUnavailableError
from storage.outbox import DEAD, RETRIED, Place

_ALL = 10_000_000

_File = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("target", type=_File)
@click.option(
    "--source", type=_File, help="File with the variables of the source. [the environment]"
)
@click.option("--dry-run", is_flag=True, help="Only say what would be copied.")
@click.option("--outbox", is_flag=True, help="Also move events that are not yet delivered.")
@jobs_option
def migrate(target: Path, source: Path | None, *, dry_run: bool, outbox: bool, jobs: int) -> None:
    """Copy all completed sessions to another storage, a folder or a bucket.

    TARGET is a file with the variables of the other storage, NAME=value a line: STORAGE_BACKEND,
    AUDIO_STORAGE_PATH or S3_*, and AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY if it has keys of
    its own. Active sessions are left alone. The source keeps everything. Can be run again, also
    after a crash: it copies what the target does not have.
    """
    target_settings, target_keys = read_or_exit(target)
    source_settings, source_keys = (
        (settings_or_exit(), None) if source is None else read_or_exit(source)
    )

    async def run() -> bool:
        async with (
            open_archive(source_settings, source_keys) as old,
            open_archive(target_settings, target_keys, creates_folder=not dry_run) as new,
        ):
            if old.name == new.name:
                sys.exit(f"sercuescribe: source and target are the same: {old.name}")
            click.echo(f"from {old.name} to {new.name}", err=True)
            is_whole = await copy_all(old, new, jobs=jobs, is_dry_run=dry_run)
            if outbox and not dry_run:
                is_whole &= await _move_events(old, new)
            return is_whole

    try:
        is_whole = run_until_interrupted(run(), hint="run the command again to copy the rest")
    except StorageUnavailableError as error:
        sys.exit(f"sercuescribe: {error}")
    if not is_whole:
        sys.exit(1)


async def _move_events(source: AnyArchive, target: AnyArchive) -> bool:
    """Move the events of sessions that are not active in the source; return whether all could be.

    No node of the target has them: a living one delivers them, as after the death of a node.
    """
    moved = left = failed = 0
    for node in await source.outbox.nodes():
        for place in await source.outbox.page(node, _ALL):
            try:
                if not await _is_movable(source, place):
                    left += 1
                    continue
                await target.outbox.put(
                    msgspec.structs.replace(place, node=DEAD if node == DEAD else RETRIED),
                    await source.outbox.get(place),
                )
                await source.outbox.remove(place)
                moved += 1
            except RecordingNotFoundError:
                continue  # delivered meanwhile
            except (StorageUnavailableError, NewerEntryError) as error:
                click.echo(f"{place.name} failed: {error}", err=True)
                failed += 1
    click.echo(f"events_moved={moved} events_left={left} events_failed={failed}")
    return failed == 0


async def _is_movable(source: AnyArchive, place: Place) -> bool:
    entry = decode(place.name, await source.outbox.get(place))
    try:
        return (await source.manifest(UUID(entry.session_id))).status == "completed"
    except RecordingNotFoundError:
        return True  # deleted
    except BadObjectError:
        return False
