"""Recordings on a volume after a crash, a power loss or a manual change."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import soundfile

from storage.checkpoint import Checkpoint, StreamCheckpoint
from storage.local import LocalStorage
from storage.volume.recording import VolumeRecording
from tests.audio import pcm
from tests.eventually import eventually
from tests.storage.conftest import new_manifest


@pytest.fixture
async def volume(tmp_path: Path) -> AsyncIterator[LocalStorage]:
    storage = LocalStorage(tmp_path, sync_interval_seconds=3600)
    await storage.start()
    yield storage
    await storage.stop()


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


async def test_after_a_power_loss_the_recording_ends_at_the_persisted_checkpoint(
    volume: LocalStorage, tmp_path: Path
) -> None:
    recording = await volume.create(new_manifest())
    recording.append(pcm(100), Checkpoint(1, 200))
    await recording.flush()
    recording.append(pcm(100), Checkpoint(2, 400))
    os.truncate(tmp_path / f"{recording.manifest.session_id}.wav", 80 + 300)
    recording = await reopened(volume, recording)
    assert recording.checkpoint == recording.persisted == Checkpoint(1, 200)


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
    state = tmp_path / f"{recording.manifest.session_id}.state" / "checkpoint"
    with state.open("r+b") as file:
        file.write(b"torn")
    assert (await reopened(volume, recording)).checkpoint == Checkpoint(1, 200)


async def test_without_its_state_a_recording_keeps_all_its_audio(
    volume: LocalStorage, tmp_path: Path
) -> None:
    recording = await volume.create(new_manifest())
    recording.append(pcm(100), Checkpoint(1, 200))
    shutil.rmtree(tmp_path / f"{recording.manifest.session_id}.state")
    recording = await reopened(volume, recording)
    assert recording.checkpoint == Checkpoint(0, 200)
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


async def test_input_is_kept_while_the_persisted_checkpoint_refers_to_it(
    volume: LocalStorage, tmp_path: Path
) -> None:
    recording = await volume.create(new_manifest())
    recording.keep_input(1, 0, b"input")
    recording.append(b"", Checkpoint(1, 0, (StreamCheckpoint(1, 5, 0, b""),)))
    await recording.flush()
    recording.append(pcm(10), Checkpoint(2, 20))
    recording.drop_input(1)
    kept = tmp_path / f"{recording.manifest.session_id}.state" / "input.1"
    assert kept.read_bytes() == b"input"
    await recording.flush()
    assert not kept.exists()


async def test_taking_over_an_empty_recording_logs_no_warning(
    volume: LocalStorage, caplog: pytest.LogCaptureFixture
) -> None:
    await reopened(volume, await volume.create(new_manifest()))
    assert caplog.records == []
