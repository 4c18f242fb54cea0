"""Recordings on a volume after a crash, a power loss or a manual change."""

import asyncio
import errno
import logging
import os
import resource
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import soundfile

from storage.checkpoint import TIMELINE, Checkpoint, StreamCheckpoint
from storage.errors import StorageUnavailableError, SyncFailedError
from storage.local import LocalStorage
from storage.volume.disk import Disk
from storage.volume.recording import VolumeRecording
from storage.warning import (
    CHECKPOINT_DAMAGED,
    KEPT_INPUT_LOST,
    PERSISTED_AUDIO_LOST,
    UNPERSISTED_AUDIO_LOST,
)
from tests.audio import pcm
from tests.eventually import eventually
from tests.storage.conftest import new_manifest
from tests.storage.reports import Reports
from tests.storage.test_conformance import LATER

RAW = StreamCheckpoint(2, 0, 0, b"\0")


def counts(checkpoint: Checkpoint) -> tuple[int, int]:
    return checkpoint.chunk_count, checkpoint.pcm_bytes


def codes(checkpoint: Checkpoint) -> list[str]:
    return [warning.code for warning in checkpoint.warnings]


def audio_of(recording: VolumeRecording, folder: Path) -> bytes:
    return (folder / f"{recording.manifest.session_id}.wav").read_bytes()[80:]


async def reopened(volume: LocalStorage, recording: VolumeRecording) -> VolumeRecording:
    """Return the recording, taken over from its files."""
    recording.abandon()
    return await volume.open(recording.manifest)


async def test_bytes_after_the_checkpoint_are_cut_off(volume: LocalStorage, tmp_path: Path) -> None:
    recording = await volume.create(new_manifest())
    recording.append(pcm(100), Checkpoint(1, 200))
    path = tmp_path / f"{recording.manifest.session_id}.wav"
    with path.open("ab") as file:
        file.write(b"half a chu")
    recording = await reopened(volume, recording)
    assert recording.checkpoint == Checkpoint(1, 200)
    assert path.stat().st_size == 80 + 200


async def test_after_a_power_loss_only_what_was_persisted_counts_and_the_rest_is_named(
    volume: LocalStorage, tmp_path: Path
) -> None:
    """Also if all files are as long as the last written checkpoint says."""
    recording = await volume.create(new_manifest())
    recording.append(pcm(100), Checkpoint(1, 200))
    await recording.flush()
    recording.append(pcm(100), Checkpoint(2, 400))
    recording.abandon()
    await volume.stop()
    volume = LocalStorage(tmp_path, sync_interval_seconds=3600, disk=Disk(boot_id=uuid4()))
    await volume.start()
    progress = await volume.progress(recording.manifest)
    recording = await volume.open(recording.manifest)
    assert counts(recording.checkpoint) == counts(recording.persisted) == (1, 200)
    assert progress.checkpoint == recording.checkpoint
    assert codes(recording.checkpoint) == [UNPERSISTED_AUDIO_LOST]
    assert "chunks from number 2 on" in recording.checkpoint.warnings[0].message
    assert audio_of(recording, tmp_path) == pcm(100)
    await volume.stop()


async def test_a_power_loss_while_all_is_persisted_loses_nothing(
    volume: LocalStorage, tmp_path: Path
) -> None:
    recording = await volume.create(new_manifest())
    recording.append(pcm(100), Checkpoint(1, 200))
    await recording.release()
    await volume.stop()
    volume = LocalStorage(tmp_path, disk=Disk(boot_id=uuid4()))
    await volume.start()
    assert (await volume.open(recording.manifest)).checkpoint == Checkpoint(1, 200)
    await volume.stop()


async def test_audio_that_is_shorter_than_its_checkpoint_ends_the_recording_there(
    volume: LocalStorage, tmp_path: Path
) -> None:
    recording = await volume.create(new_manifest())
    recording.append(pcm(100), Checkpoint(1, 200))
    await recording.flush()
    recording.append(pcm(100), Checkpoint(2, 400))
    os.truncate(tmp_path / f"{recording.manifest.session_id}.wav", 80 + 300)
    recording = await reopened(volume, recording)
    assert counts(recording.checkpoint) == counts(recording.persisted) == (1, 200)
    assert codes(recording.checkpoint) == [UNPERSISTED_AUDIO_LOST]


@pytest.mark.parametrize("left", [0, 40, 80, 80 + 101])
async def test_persisted_audio_that_is_missing_is_told_and_never_becomes_zeros(
    volume: LocalStorage, tmp_path: Path, left: int
) -> None:
    recording = await volume.create(new_manifest())
    recording.append(pcm(100), Checkpoint(1, 200))
    await recording.flush()
    audio = tmp_path / f"{recording.manifest.session_id}.wav"
    if left:
        os.truncate(audio, left)
    else:
        audio.unlink()
    recording = await reopened(volume, recording)
    assert codes(recording.checkpoint) == [PERSISTED_AUDIO_LOST]
    recording.append(pcm(10), recording.checkpoint.advanced(RAW, chunks=1, pcm_bytes=20))
    manifest = await recording.complete(LATER)
    assert audio_of(recording, tmp_path) == pcm(100)[: max(0, left - 80) // 2 * 2] + pcm(10)
    assert manifest.warnings == recording.checkpoint.warnings


async def test_a_session_whose_kept_input_is_gone_keeps_its_audio_and_can_be_completed(
    volume: LocalStorage, tmp_path: Path
) -> None:
    recording = await volume.create(new_manifest())
    recording.keep_input(1, 0, b"input")
    recording.append(pcm(100), Checkpoint(1, 200, (StreamCheckpoint(1, 5, 200, b""),)))
    await recording.flush()
    (tmp_path / ".active" / f"{recording.manifest.session_id}.state" / "input.1").unlink()
    recording = await reopened(volume, recording)
    assert recording.checkpoint.streams == ()
    manifest = await recording.complete(LATER)
    assert audio_of(recording, tmp_path) == pcm(100)
    assert [each.code for each in manifest.warnings] == [KEPT_INPUT_LOST]


class FaultyDisk:
    """A disk on which a number of syncs fail, after others that succeed."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.failures = self.successes = 0
        self.disk = Disk(sync=self._sync, sync_folder=self._sync_folder)

    def _sync(self, fd: int) -> None:
        self.calls.append(Path(f"/proc/self/fd/{fd}").readlink().name)
        if self.successes:
            self.successes -= 1
        elif self.failures:
            self.failures -= 1
            raise OSError(errno.EIO, "Input/output error")
        os.fdatasync(fd)

    def fail_after(self, successes: int) -> None:
        """Let one sync fail, after ``successes`` more have succeeded."""
        self.successes, self.failures = successes, 1

    def _sync_folder(self, fd: int) -> None:
        self.calls.append(Path(f"/proc/self/fd/{fd}").readlink().suffix)
        os.fsync(fd)


@pytest.fixture
def faulty() -> FaultyDisk:
    return FaultyDisk()


@pytest.fixture
async def faulty_volume(tmp_path: Path, faulty: FaultyDisk) -> AsyncIterator[LocalStorage]:
    storage = LocalStorage(tmp_path, sync_interval_seconds=3600, disk=faulty.disk)
    await storage.start()
    yield storage
    await storage.stop()


async def test_the_name_of_kept_input_is_durable_before_a_persisted_checkpoint_counts_it(
    faulty_volume: LocalStorage, faulty: FaultyDisk
) -> None:
    recording = await faulty_volume.create(new_manifest())
    recording.keep_input(1, 0, b"input")
    recording.append(b"", Checkpoint(1, 0, (StreamCheckpoint(1, 5, 0, b""),)))
    faulty.calls.clear()
    await recording.flush()
    assert set(faulty.calls[:-1]) == {"input.1", ".state", f"{recording.manifest.session_id}.wav"}
    assert faulty.calls[-1] == "checkpoint"
    faulty.calls.clear()
    await recording.flush()
    assert ".state" not in faulty.calls


async def test_kept_input_that_the_process_before_did_not_sync_is_synced(
    faulty_volume: LocalStorage, faulty: FaultyDisk
) -> None:
    """Else the next persisted checkpoint counts what a loss of power takes."""
    recording = await faulty_volume.create(new_manifest())
    recording.append(pcm(100), Checkpoint(1, 200))
    await recording.flush()
    recording.keep_input(0, 0, b"journal")
    recording.keep_input(1, 0, b"input")
    stream = StreamCheckpoint(1, 5, 0, b"")
    recording.append(b"", Checkpoint(2, 200, (stream,), journal_bytes=7))
    faulty.calls.clear()
    recording = await reopened(faulty_volume, recording)
    await recording.flush()
    assert {"input.0", "input.1"} <= set(faulty.calls[: faulty.calls.index("checkpoint")])

    recording.append(b"", Checkpoint(3, 200, (stream,), journal_bytes=7))
    recording.abandon()
    faulty.fail_after(0)
    with pytest.raises(SyncFailedError, match="from chunk 3 on"):
        await faulty_volume.open(recording.manifest)
    recording = await faulty_volume.open(recording.manifest)
    assert counts(recording.checkpoint) == (2, 200)
    assert codes(recording.checkpoint) == [UNPERSISTED_AUDIO_LOST]


async def test_a_lack_of_descriptors_is_no_failed_sync(
    faulty_volume: LocalStorage, faulty: FaultyDisk
) -> None:
    recording = await faulty_volume.create(new_manifest())
    recording.keep_input(1, 0, b"input")
    recording.keep_input(TIMELINE, 0, b"entries")
    checkpoint = Checkpoint(1, 0, (StreamCheckpoint(1, 5, 0, b""),), timeline_bytes=7)
    recording.append(b"", checkpoint)
    faulty.calls.clear()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(StorageUnavailableError, match="Too many open files"):
            recording.persist()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    recording.persist()
    assert recording.persisted == checkpoint
    content = {f"{recording.manifest.session_id}.wav", "input.1", f"input.{TIMELINE}", ".state"}
    assert set(faulty.calls[: faulty.calls.index("checkpoint")]) == content


@pytest.mark.parametrize("good_syncs", [0, 1], ids=["audio", "checkpoint"])
async def test_after_a_failed_sync_no_later_success_counts(
    faulty_volume: LocalStorage, faulty: FaultyDisk, tmp_path: Path, good_syncs: int
) -> None:
    """The page that could not be written may be clean after it: fdatasync succeeds again."""
    lost: list[Exception] = []
    recording = await faulty_volume.create(new_manifest())
    recording.watch(lost.append)
    recording.append(pcm(100), Checkpoint(1, 200))
    await recording.flush()
    recording.append(pcm(100), Checkpoint(2, 400))
    faulty.fail_after(good_syncs)
    with pytest.raises(SyncFailedError, match="send again from chunk 2 on"):
        await recording.flush()
    for again in (recording.flush, lambda: recording.complete(LATER)):
        with pytest.raises(SyncFailedError):
            await again()
    with pytest.raises(SyncFailedError):
        recording.append(pcm(100), Checkpoint(3, 600))
    assert recording.persisted == Checkpoint(1, 200)
    assert [str(error) for error in lost] == ["The disk failed: send again from chunk 2 on"]
    await recording.release()
    assert recording.persisted == Checkpoint(1, 200)

    recording = await faulty_volume.open(recording.manifest)
    assert counts(recording.checkpoint) == counts(recording.persisted) == (1, 200)
    assert audio_of(recording, tmp_path) == pcm(100)
    assert codes(recording.checkpoint) == [UNPERSISTED_AUDIO_LOST]


async def test_a_sync_that_fails_in_the_background_ends_the_recording(
    tmp_path: Path, faulty: FaultyDisk
) -> None:
    reports = Reports()
    storage = LocalStorage(tmp_path, sync_interval_seconds=0.01, disk=faulty.disk, observer=reports)
    await storage.start()
    recording = await storage.create(new_manifest())
    lost: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
    recording.watch(lost.set_result)
    faulty.failures = 1
    recording.append(pcm(100), Checkpoint(1, 200))
    async with asyncio.timeout(60):
        assert isinstance(await lost, SyncFailedError)
    assert recording.persisted == Checkpoint()
    assert (reports.failures, reports.lags_seconds) == ({"sync": 1}, [])
    await recording.release()
    recording = await storage.open(recording.manifest)
    assert reports.warnings == [UNPERSISTED_AUDIO_LOST]
    await recording.release()
    await storage.stop()


async def test_syncs_and_the_age_of_what_they_persist_are_reported(tmp_path: Path) -> None:
    reports = Reports()
    storage = LocalStorage(tmp_path, sync_interval_seconds=0.01, observer=reports)
    await storage.start()
    recording = await storage.create(new_manifest())
    recording.append(pcm(100), Checkpoint(1, 200))
    await eventually(lambda: reports.syncs_seconds, awaiting="a sync")
    assert len(reports.lags_seconds) == 1
    assert 0 <= reports.lags_seconds[0] < 30
    await recording.release()
    await storage.stop()


async def test_lost_kept_input_returns_to_the_persisted_checkpoint(
    volume: LocalStorage, tmp_path: Path
) -> None:
    recording = await volume.create(new_manifest())
    recording.keep_input(1, 0, b"input")
    recording.append(b"", Checkpoint(1, 0, (StreamCheckpoint(1, 5, 0, b""),)))
    await recording.flush()
    recording.append(b"", Checkpoint(2, 0, (StreamCheckpoint(1, 10, 0, b""),)))
    assert (await reopened(volume, recording)).checkpoint.chunk_count == 1


async def test_a_torn_checkpoint_returns_to_the_persisted_one(
    volume: LocalStorage, tmp_path: Path
) -> None:
    recording = await volume.create(new_manifest())
    recording.append(pcm(100), Checkpoint(1, 200))
    await recording.flush()
    recording.append(pcm(100), Checkpoint(2, 400))
    state = tmp_path / ".active" / f"{recording.manifest.session_id}.state" / "checkpoint"
    with state.open("r+b") as file:
        file.write(b"torn")
    assert counts((await reopened(volume, recording)).checkpoint) == (1, 200)


async def test_without_its_state_a_recording_keeps_all_its_audio(
    volume: LocalStorage, tmp_path: Path
) -> None:
    recording = await volume.create(new_manifest())
    recording.append(pcm(100), Checkpoint(1, 200))
    shutil.rmtree(tmp_path / ".active" / f"{recording.manifest.session_id}.state")
    recording = await reopened(volume, recording)
    assert counts(recording.checkpoint) == (0, 200)
    assert codes(recording.checkpoint) == [CHECKPOINT_DAMAGED]
    assert (tmp_path / f"{recording.manifest.session_id}.wav").read_bytes()[80:] == pcm(100)


async def test_the_file_is_a_valid_wav_after_every_sync(
    volume: LocalStorage, tmp_path: Path
) -> None:
    recording = await volume.create(new_manifest())
    path = tmp_path / f"{recording.manifest.session_id}.wav"
    for turn in range(1, 4):
        recording.append(pcm(100, seed=turn), Checkpoint(turn, 200 * turn))
        await recording.flush()
        samples, rate = soundfile.read(path, dtype="int16")
        assert (rate, samples.tobytes()) == (16000, path.read_bytes()[80:])
        assert len(samples) == 100 * turn


async def test_background_syncs_persist_without_a_flush(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path, sync_interval_seconds=0.01)
    await storage.start()
    recording = await storage.create(new_manifest())
    recording.append(pcm(100), Checkpoint(1, 200))
    await eventually(
        lambda: recording.persisted,
        lambda persisted: persisted == Checkpoint(1, 200),
        awaiting="a persisted chunk",
    )
    await recording.release()
    await storage.stop()


async def test_input_is_kept_until_the_recording_is_completed(
    volume: LocalStorage, tmp_path: Path
) -> None:
    recording = await volume.create(new_manifest())
    recording.keep_input(1, 0, b"input")
    recording.append(b"", Checkpoint(1, 0, (StreamCheckpoint(1, 5, 0, b""),)))
    await recording.flush()
    recording.append(pcm(10), Checkpoint(2, 20))
    recording.drop_input(1)
    kept = tmp_path / ".active" / f"{recording.manifest.session_id}.state" / "input.1"
    await recording.flush()
    assert kept.read_bytes() == b"input"
    await recording.complete(recording.manifest.created_at)
    assert not kept.exists()


async def test_taking_over_an_empty_recording_logs_no_warning(
    volume: LocalStorage, caplog: pytest.LogCaptureFixture
) -> None:
    await reopened(volume, await volume.create(new_manifest()))
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
