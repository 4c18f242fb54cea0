"""Writes are tried again while the storage fails, up to a last time."""

import asyncio

import pytest

from storage.checkpoint import Checkpoint
from storage.errors import StorageUnavailableError
from storage.volume.recording import VolumeRecording
from tests.api.session.writers import Events, Writers, new_writers
from tests.audio import pcm
from tests.eventually import eventually
from tests.storage.conftest import file_size_limit

LARGE = pcm(200_000)


async def test_a_write_succeeds_when_the_disk_has_room_again(
    recording: VolumeRecording, events: Events, caplog: pytest.LogCaptureFixture
) -> None:
    writers = new_writers(recording, events, retries=1000)
    # The limit leaves no room for the audio, as a full disk does.
    with file_size_limit(4096):
        writing = asyncio.create_task(writers.ledger.append_persistently(1, LARGE, b"", chunks=1))
        await eventually(lambda: "retrying" in caplog.text, awaiting="a write that failed")
        assert writers.writer.retries.lock.locked()
        assert not writers.ledger.takes_at_once(1)
    await writing
    assert not writers.writer.retries.lock.locked()
    assert recording.checkpoint.pcm_bytes == len(LARGE)
    assert events.failures == []


async def test_after_the_last_retry_nothing_more_is_written(
    writers: Writers, recording: VolumeRecording, events: Events
) -> None:
    recording.abandon()  # from now on every write fails
    for _ in range(2):
        with pytest.raises(StorageUnavailableError):
            await writers.ledger.append_persistently(1, pcm(10), b"", chunks=1)
    assert len(events.failures) == 1
    assert recording.checkpoint == Checkpoint()
