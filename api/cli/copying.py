"""Copying of sessions from one storage to another, for commands: its plan, progress and report."""

import asyncio
from collections import Counter
from collections.abc import Callable
from uuid import UUID

import click
import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from storage.archive import AnyArchive
from storage.copying import Candidate, Standing, compare, copy, copy_details
from storage.errors import RecordingNotFoundError, StorageError

_COMPARED_AT_ONCE = 16

_WORDS = {
    Standing.PRESENT: "present",
    Standing.CHANGED: "changed",
    Standing.ACTIVE: "active",
    Standing.GONE: "gone",
    Standing.REFUSED: "failed",
}

jobs_option = click.option(
    "--jobs",
    type=click.IntRange(1, 32),
    default=4,
    show_default=True,
    help="Sessions that are copied at the same time.",
)


async def copy_all(
    source: AnyArchive,
    target: AnyArchive,
    *,
    jobs: int,
    is_dry_run: bool = False,
    is_wanted: Callable[[Candidate], bool] = lambda _: True,
) -> bool:
    """Copy the sessions that the target does not have; return whether none has failed.

    Prints one line on standard error for each session that is left alone, and the counts on
    standard output.
    """
    counts: Counter[str] = Counter()
    missing = []
    async for page in source.session_ids():
        for candidate in await _compared(source, target, page):
            if not is_wanted(candidate):
                continue
            if candidate.standing is Standing.MISSING:
                missing.append(candidate)
                continue
            settled = candidate if is_dry_run else await _updated(source, target, candidate)
            counts[_WORDS[settled.standing]] += 1
            _tell(settled)
    if is_dry_run:
        counts["missing"] = len(missing)
    else:
        await _copy_missing(source, target, missing, jobs, counts)
    words = ["missing" if is_dry_run else "copied", "changed", "present", "active", "failed"]
    click.echo(" ".join(f"{word}={counts[word]}" for word in words))
    return counts["failed"] == 0


async def _compared(source: AnyArchive, target: AnyArchive, page: list[UUID]) -> list[Candidate]:
    at_once = asyncio.Semaphore(_COMPARED_AT_ONCE)

    async def one(session_id: UUID) -> Candidate:
        async with at_once:
            return await compare(source, target, session_id)

    return list(await asyncio.gather(*map(one, page)))


async def _updated(source: AnyArchive, target: AnyArchive, candidate: Candidate) -> Candidate:
    """Give a session whose details have changed those of the source; return what became of it."""
    if candidate.standing is Standing.CHANGED:
        try:
            await copy_details(source, target, candidate.session_id)
        except StorageError as error:
            return msgspec.structs.replace(candidate, standing=Standing.REFUSED, reason=str(error))
    return candidate


def _tell(candidate: Candidate) -> None:
    if candidate.standing is Standing.ACTIVE:
        click.echo(f"{candidate.session_id} left alone: it is active", err=True)
    elif candidate.standing is Standing.REFUSED:
        click.echo(f"{candidate.session_id} failed: {candidate.reason}", err=True)


async def _copy_missing(
    source: AnyArchive,
    target: AnyArchive,
    missing: list[Candidate],
    jobs: int,
    counts: Counter[str],
) -> None:
    queue = iter(missing)
    with _progress_bar() as bar:
        task = bar.add_task("copying", total=sum(each.size_bytes for each in missing))

        async def copy_from_queue() -> None:
            for candidate in queue:
                counts[await copy_one(candidate.session_id)] += 1

        async def copy_one(session_id: UUID) -> str:
            try:
                await copy(source, target, session_id, lambda size: bar.advance(task, size))
            except RecordingNotFoundError as error:
                if (await compare(source, target, session_id)).standing is Standing.GONE:
                    return "gone"
                return _failed(f"{session_id} failed: {error} is missing")
            except StorageError as error:
                return _failed(f"{session_id} failed: {error}")
            return "copied"

        def _failed(text: str) -> str:
            bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
            return "failed"

        copying = [asyncio.create_task(copy_from_queue()) for _ in range(jobs)]
        try:
            await asyncio.gather(*copying)
        finally:  # each removes what it has half written, while both storages are open
            for each in copying:
                each.cancel()
            await asyncio.wait(copying)


def _progress_bar() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        console=console,
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not console.is_terminal,
    )
