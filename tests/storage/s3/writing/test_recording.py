"""A recording on its way into the bucket."""

from pathlib import Path

import pytest

from storage.errors import FencedError, StorageUnavailableError
from storage.s3 import S3Storage
from storage.s3.client.bucket import Bucket
from storage.s3.writing.recording import S3Recording
from storage.watermark import Unpersisted
from tests.audio import pcm
from tests.conftest import ManualClock
from tests.faults import FaultyStore, Kind
from tests.s3_requests import is_a
from tests.storage.conftest import new_manifest
from tests.storage.s3.conftest import (
    AUDIO,
    OpenS3,
    expire_lease,
    manifest_of,
)
from tests.storage.test_conformance import append


async def test_a_fenced_writer_returns_no_audio(
    reader: S3Storage, recording: S3Recording, clock: ManualClock
) -> None:
    await expire_lease(clock, reader)
    taken_over = await reader.open(await manifest_of(reader, recording))
    with pytest.raises(FencedError):
        await recording.flush()
    with pytest.raises(FencedError):
        await recording.audio()
    await recording.release()
    await taken_over.release()


async def test_flush_persists_everything_and_a_failure_leaves_it_unpersisted(
    store: FaultyStore, recording: S3Recording
) -> None:
    assert recording.persisted.chunk_count == 1
    fault = store.fail(Kind.ERROR, is_a("PutObject"))
    with pytest.raises(StorageUnavailableError):
        await recording.flush()
    assert recording.persisted.chunk_count == 1
    assert recording.unpersisted.pcm_bytes == len(AUDIO) - 1200
    fault.end()
    await recording.flush()
    assert recording.persisted == recording.checkpoint
    assert recording.unpersisted == Unpersisted()
    await recording.release()


async def test_a_full_spool_refuses_audio_until_the_bucket_has_some_of_it(
    open_s3: OpenS3, tmp_path: Path
) -> None:
    storage = open_s3(tmp_path / "small", spool_max_bytes=3000)
    await storage.start()
    recording = await storage.create(new_manifest())
    append(recording, pcm(1000))
    with pytest.raises(StorageUnavailableError, match="the spool is full"):
        append(recording, pcm(1000))
    assert recording.checkpoint.chunk_count == 1
    await recording.flush()
    append(recording, pcm(1000))
    assert recording.checkpoint.chunk_count == 2
    await recording.release()
    await storage.stop()


async def test_a_released_recording_takes_nothing_and_its_spool_is_gone(
    recording: S3Recording, tmp_path: Path
) -> None:
    await recording.release()
    with pytest.raises(StorageUnavailableError):
        append(recording, pcm(1))
    spool = tmp_path / "writer"
    assert not [path for path in spool.iterdir() if recording.manifest.session_id in path.name]


async def test_what_0_2_0_must_leave_alone_has_its_checkpoint_elsewhere_after_a_flush(
    recording: S3Recording, bucket: Bucket
) -> None:
    await recording.require_release()
    append(recording, pcm(600))
    await recording.flush()
    last = recording.segments.keys.segment(recording.segments.count - 1)
    assert "checkpoint" not in (await bucket.head(last)).metadata
    await recording.release()
