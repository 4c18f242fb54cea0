"""Lists, starts and creations on a volume with many sessions.

Numbers: sessions in the folder, repetitions. The sessions are made by links to one WAV and are
small; the folder takes about 6 KiB of disk for each.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import uuid_utils.compat

from storage import manifest as manifests
from storage import wav
from storage.checkpoint import Checkpoint
from storage.filters import Filters
from storage.local import LocalStorage
from storage.manifest import Manifest
from storage.volume.recording import VolumeRecording

_USERS = 50
_WARNED_EVERY = 5000
_CREATED = 200
_AT_ONCE = 8
_LINKS = 60_000  # to one file; ext4 allows 65,000
_NOW = datetime.now(UTC)
FILTERS: dict[str, dict[str, Any]] = {
    "all": {},
    "completed": {"status": "completed"},
    "active, none there": {"status": "active"},
    "with warnings": {"has_warnings": True},
    "without warnings": {"has_warnings": False},
    "a user of many": {"user_id": "user-7"},
    "a user with one session": {"user_id": "rare"},
    "an unknown user": {"user_id": "nobody"},
    "oldest first": {"is_oldest_first": True},
    "text of one in 100": {"text": "MEETING 7"},
    "text of one session": {"text": "meeting 77 of 4242"},
    "text of none": {"text": "no title has this"},
    "text, of a user": {"text": "meeting 7", "user_id": "user-7"},
    "metadata of one in 1000": {"metadata": {"room": "room 7"}},
    "a day": {"created_from": _NOW - timedelta(days=31), "created_to": _NOW - timedelta(days=30)},
}


def main(sessions: int = 200_000, repetitions: int = 50) -> None:
    with tempfile.TemporaryDirectory(prefix="listing-") as path:
        folder = Path(path)
        print(f"{sessions} completed sessions in one folder")
        print(f"made in {_seconds(lambda: _fill(folder, sessions)):.1f} s")
        asyncio.run(_measure(folder, repetitions))


def completed_sessions(sessions: int) -> Iterator[Manifest]:
    """Yield manifests of a year, oldest first, with titles and metadata."""
    begin = datetime.now(UTC) - timedelta(days=365)
    step = timedelta(days=364) / sessions
    warned = Checkpoint().warned("decode_failed", "no frames", frame=0)
    for number in range(sessions):
        at = begin + number * step
        yield Manifest(
            session_id=str(_session_id(at)),
            user_id="rare" if number == 7 else f"user-{number % _USERS}",
            sample_rate=16000,
            channels=1,
            format="wav",
            created_at=at,
            title=f"Meeting {number % 100} of {number}",
            metadata={"room": f"room {number % 1000}", "project": "radio"},
        ).completed(warned if number % _WARNED_EVERY == 0 else Checkpoint(), at)


def _fill(folder: Path, sessions: int) -> None:
    for number, manifest in enumerate(completed_sessions(sessions)):
        stem = folder / manifest.session_id
        if number % _LINKS == 0:
            audio = stem.with_suffix(".wav")
            audio.write_bytes(wav.header(manifest.pcm_format, 0))
        else:
            os.link(audio, stem.with_suffix(".wav"))
        stem.with_suffix(".json").write_bytes(manifests.encode(manifest))


def _session_id(at: datetime) -> UUID:
    milliseconds = int(at.timestamp() * 1000)
    return UUID(int=uuid_utils.compat.uuid7().int & (1 << 80) - 1 | milliseconds << 80)


async def _measure(folder: Path, repetitions: int) -> None:
    storage = LocalStorage(folder)
    print(f"first start {await timed(storage.start) * 1000:.0f} ms")
    page_seconds = await timed(lambda: storage.manifests(limit=100))
    print(f"a page while the index is built: {page_seconds * 1000:.0f} ms")
    print(f"index complete after {await timed(storage.upkeep.completed.wait):.1f} s more, "
          f"{_index_bytes(folder) / 1e6:.1f} MB")  # fmt: skip
    await _print_pages(storage, repetitions, "with the index")
    await _print_creations(storage)
    print(f"stop {await timed(storage.stop) * 1000:.0f} ms")
    storage = LocalStorage(folder)
    print(f"start after a clean stop {await timed(storage.start) * 1000:.0f} ms")
    await _print_pages(storage, 3, "at once")
    await storage.stop()
    (folder / "new").touch()
    storage = LocalStorage(folder)
    print(f"start after a change by hand {await timed(storage.start) * 1000:.0f} ms, "
          f"compared after {await timed(storage.upkeep.completed.wait):.1f} s more")  # fmt: skip
    await storage.stop()


async def _print_pages(storage: LocalStorage, repetitions: int, when: str) -> None:
    print(f"a page of 100, {when}: ms at the median and at the 95th percentile")
    for name, filters in FILTERS.items():
        times = [
            1000
            * await timed(lambda filters=filters: storage.manifests(Filters(**filters), limit=100))  # type: ignore[misc]
            for _ in range(repetitions)
        ]
        p95 = sorted(times)[int(0.95 * (len(times) - 1))]
        print(f"  {name:26}{statistics.median(times):8.1f}{p95:8.1f}", flush=True)


async def _print_creations(storage: LocalStorage) -> None:
    for at_once in (1, _AT_ONCE):
        recordings: list[VolumeRecording] = []

        async def create(at_once: int, recordings: list[VolumeRecording]) -> None:
            for _ in range(_CREATED // at_once):
                now = datetime.now(UTC)
                recordings.append(await storage.create(Manifest(
                    session_id=str(uuid_utils.compat.uuid7()), user_id="user-7",
                    sample_rate=16000, channels=1, format="wav", created_at=now,
                )))  # fmt: skip

        began = time.perf_counter()
        await asyncio.gather(*(create(at_once, recordings) for _ in range(at_once)))
        created = time.perf_counter()
        await asyncio.gather(*(each.complete(datetime.now(UTC)) for each in recordings))
        print(f"{at_once} at a time: {_CREATED / (created - began):.0f} sessions/s created, "
              f"{_CREATED / (time.perf_counter() - created):.0f}/s completed")  # fmt: skip


def _index_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / ".index").iterdir())


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began
