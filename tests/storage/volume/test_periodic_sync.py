"""Recordings of one folder that are persisted in passes."""

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage import wav
from storage.checkpoint import Checkpoint
from storage.errors import SyncFailedError
from storage.local import LocalStorage
from storage.volume.disk import Disk
from storage.volume.periodic_sync import next_begin
from storage.volume.recording import VolumeRecording
from storage.waveform.growing_file import MeasuringLimits
from tests.audio import pcm
from tests.eventually import eventually
from tests.storage.conftest import file_size_limit, new_manifest

DATA = pcm(1000)
COUNT = Checkpoint(1, len(DATA))


class RecordingDisk:
    """A disk that notes which file each sync was for, and fails for those in ``bad``."""

    def __init__(self) -> None:
        self.synced: list[Path] = []
        self.bad: set[str] = set()
        self.error: RuntimeError | None = None
        self.may_sync, self.is_syncing = threading.Event(), threading.Event()
        self.may_sync.set()

    def sync(self, fd: int) -> None:
        path = Path(f"/proc/self/fd/{fd}").readlink()
        self.is_syncing.set()
        self.may_sync.wait()
        if self.error is not None:
            raise self.error
        self.synced.append(path)
        if path.name in self.bad:
            raise OSError(errno.EIO, "Input/output error")
        os.fdatasync(fd)


@pytest.fixture
def disk() -> RecordingDisk:
    return RecordingDisk()


@pytest.fixture
async def storage(tmp_path: Path, disk: RecordingDisk) -> AsyncIterator[LocalStorage]:
    """A folder whose passes begin when the test calls for one."""
    storage = LocalStorage(
        tmp_path,
        sync_interval_seconds=3600,
        disk=Disk(sync=disk.sync),
        measuring_limits=MeasuringLimits(interval_seconds=0.1),
    )
    await storage.start()
    yield storage
    await storage.stop()


async def recordings_of(storage: LocalStorage, count: int) -> list[VolumeRecording]:
    recordings = [await storage.create(new_manifest()) for _ in range(count)]
    for recording in recordings:
        recording.append(DATA, COUNT)
    return recordings


def test_the_time_of_a_pass_adds_nothing_to_the_time_between_two_passes() -> None:
    assert next_begin(10.0, 10.3, 2.0) == 12.0


def test_a_short_pause_follows_a_pass_that_took_longer_than_the_interval() -> None:
    assert next_begin(10.0, 15.0, 2.0) == 15.2


async def test_a_pass_syncs_all_audio_before_it_syncs_the_first_record(
    storage: LocalStorage, disk: RecordingDisk
) -> None:
    recordings = await recordings_of(storage, 5)
    disk.synced.clear()
    await storage.sync.run_pass()
    suffixes = [path.suffix for path in disk.synced]
    assert suffixes == [".wav"] * 5 + [""] * 5
    assert {recording.persisted for recording in recordings} == {COUNT}
    await storage.sync.run_pass()
    assert len(disk.synced) == 10  # nothing has changed


async def test_the_groups_of_a_pass_are_spread_over_its_time(storage: LocalStorage) -> None:
    first, *others = await recordings_of(storage, 65)  # more than one group
    running = asyncio.create_task(storage.sync.run_pass(3600))
    await eventually(lambda: first.persisted == COUNT, awaiting="the first group")
    assert others[-1].persisted == Checkpoint()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await storage.sync.run_pass()
    assert {recording.persisted for recording in (first, *others)} == {COUNT}


async def test_what_has_changed_first_is_persisted_first(
    storage: LocalStorage, disk: RecordingDisk
) -> None:
    recordings = await recordings_of(storage, 65)
    await storage.sync.run_pass()
    more = Checkpoint(2, 2 * len(DATA))
    for recording in (*reversed(recordings), *recordings):
        recording.append(b"", more)
    disk.synced.clear()
    await storage.sync.run_pass()
    order = [path.stem for path in disk.synced if path.suffix == ".wav"]
    names = [recording.manifest.session_id for recording in recordings]
    assert set(order[:32]) == set(names[33:])
    assert set(order[32:]) == set(names[:33])


@pytest.mark.parametrize("bad", ["audio", "record"])
async def test_a_failed_sync_ends_its_own_recording_only(
    storage: LocalStorage, disk: RecordingDisk, bad: str
) -> None:
    recordings = await recordings_of(storage, 3)
    lost: list[str] = []
    for recording in recordings:
        session_id = recording.manifest.session_id
        recording.watch(lambda _, session_id=session_id: lost.append(session_id))  # type: ignore[misc]
    first = recordings[0].manifest.session_id
    if bad == "audio":
        disk.bad = {f"{first}.wav"}
        await storage.sync.run_pass()
        expected = [first]
    else:
        disk.bad = {"checkpoint"}
        await storage.sync.run_pass()
        expected = [each.manifest.session_id for each in recordings]
    disk.bad = set()
    assert sorted(lost) == sorted(expected)
    await storage.sync.run_pass()
    for recording in recordings:
        is_lost = recording.manifest.session_id in expected
        assert recording.persisted == (Checkpoint() if is_lost else COUNT)
        if is_lost:
            with pytest.raises(SyncFailedError):
                await recording.flush()


async def test_what_could_not_be_written_is_persisted_by_the_next_pass(
    storage: LocalStorage, caplog: pytest.LogCaptureFixture
) -> None:
    recordings = await recordings_of(storage, 2)
    with file_size_limit(2048):  # the record is behind it
        await storage.sync.run_pass()
    assert "could not be persisted" in caplog.text
    assert {recording.persisted for recording in recordings} == {Checkpoint()}
    await storage.sync.run_pass()
    assert {recording.persisted for recording in recordings} == {COUNT}


async def test_a_pass_that_fails_forgets_neither_a_recording_nor_its_input(
    storage: LocalStorage, disk: RecordingDisk
) -> None:
    recordings = await recordings_of(storage, 2)
    recordings[0].keep_input(1, 0, b"input")
    disk.error = RuntimeError("can't start new thread")
    with pytest.raises(RuntimeError):
        await storage.sync.run_pass()
    assert {recording.persisted for recording in recordings} == {Checkpoint()}
    disk.error = None
    disk.synced.clear()
    await storage.sync.run_pass()
    assert {recording.persisted for recording in recordings} == {COUNT}
    assert "input.1" in {path.name for path in disk.synced}


async def test_audio_that_arrives_during_a_pass_belongs_to_the_next_one(
    storage: LocalStorage, disk: RecordingDisk
) -> None:
    (recording,) = await recordings_of(storage, 1)
    disk.is_syncing.clear()
    disk.may_sync.clear()
    running = asyncio.create_task(storage.sync.run_pass())
    more = Checkpoint(2, 2 * len(DATA))
    await asyncio.to_thread(disk.is_syncing.wait)
    recording.append(DATA, more)
    disk.may_sync.set()
    await running
    assert recording.persisted == COUNT
    await storage.sync.run_pass()
    assert recording.persisted == more


async def test_a_recording_that_another_thread_persists_takes_part_in_the_next_pass(
    storage: LocalStorage, disk: RecordingDisk
) -> None:
    (recording,) = await recordings_of(storage, 1)
    disk.is_syncing.clear()
    disk.may_sync.clear()
    flushing = asyncio.create_task(recording.flush())
    await asyncio.to_thread(disk.is_syncing.wait)
    await storage.sync.run_pass()  # it does not wait
    recording.append(DATA, Checkpoint(2, 2 * len(DATA)))
    disk.may_sync.set()
    await flushing
    assert recording.persisted == COUNT
    await storage.sync.run_pass()
    assert recording.persisted.chunk_count == 2


async def test_passes_write_the_header_as_often_as_the_waveform(
    storage: LocalStorage, tmp_path: Path
) -> None:
    recording = await storage.create(new_manifest())
    path = tmp_path / f"{recording.manifest.session_id}.wav"

    def header(checkpoint: Checkpoint) -> bytes:
        return wav.header(recording.manifest.pcm_format, checkpoint.pcm_bytes)

    recording.append(DATA, COUNT)  # 0.06 s
    await storage.sync.run_pass()
    assert path.read_bytes()[: wav.HEADER_BYTES] == header(Checkpoint())
    more = Checkpoint(2, 2 * len(DATA))
    recording.append(DATA, more)
    await storage.sync.run_pass()
    assert path.read_bytes()[: wav.HEADER_BYTES] == header(more)
