"""S3 storage: requests per operation, and reading a session that another node writes."""

import errno
import os
from pathlib import Path

import pytest

from storage import wav
from storage.base import Progress
from storage.checkpoint import Checkpoint, StreamCheckpoint
from storage.errors import SyncFailedError
from storage.s3 import BucketSettings, S3Storage, UploadSettings
from storage.s3.client.bucket import Bucket
from storage.s3.keys import SessionKeys
from storage.s3.writing.recording import S3Recording
from storage.volume.disk import Disk
from storage.warning import KEPT_INPUT_LOST
from tests.conftest import ManualClock
from tests.faults import FaultyStore
from tests.storage.conftest import new_manifest
from tests.storage.s3.conftest import AUDIO, OpenS3, manifest_of
from tests.storage.test_conformance import LATER, append, content


async def test_reading_a_session_of_another_node_does_not_take_it_over(
    reader: S3Storage, recording: S3Recording
) -> None:
    manifest = await manifest_of(reader, recording)
    audio = await reader.audio(manifest)
    assert await content(audio, wav.HEADER_BYTES) == AUDIO[:1200]
    persisted = recording.persisted
    assert persisted == Checkpoint(1, 1200)
    assert await reader.progress(manifest) == Progress(persisted, persisted)
    await recording.flush()
    assert recording.persisted == Checkpoint(2, len(AUDIO))
    await recording.release()


@pytest.mark.parametrize(("is_store_checked", "expected"), [(False, 4), (True, 0)])
async def test_start_checks_the_store_unless_the_caller_has_checked_it(
    store: FaultyStore,
    settings: BucketSettings,
    tmp_path: Path,
    *,
    is_store_checked: bool,
    expected: int,
) -> None:
    storage = S3Storage(settings, tmp_path, is_store_checked=is_store_checked)
    await storage.start()
    await storage.stop()
    probes = [r for r in store.requests if "/_probe/" in r.path and r.method == "PUT"]
    assert len(probes) == expected


async def test_after_a_failed_sync_of_the_spool_nothing_of_it_reaches_the_bucket(
    settings: BucketSettings, tmp_path: Path
) -> None:
    """What it holds may be lost already: the client sends again what is not persisted."""
    failing: list[bool] = []

    def sync(fd: int) -> None:
        if failing:
            failing.pop()
            raise OSError(errno.EIO, "Input/output error")
        os.fdatasync(fd)

    upload_settings = UploadSettings(segment_seconds=3600)
    storage = S3Storage(
        settings, tmp_path, upload_settings, is_store_checked=True, disk=Disk(sync=sync)
    )
    await storage.start()
    recording = await storage.create(new_manifest())
    lost: list[Exception] = []
    recording.watch(lost.append)
    append(recording, AUDIO[:1200])
    await recording.flush()
    append(recording, AUDIO[1200:])
    failing.append(True)
    with pytest.raises(SyncFailedError, match="send again from chunk 2 on"):
        await recording.flush()
    for again in (recording.flush, recording.upload, lambda: recording.complete(LATER)):
        with pytest.raises(SyncFailedError):
            await again()
    with pytest.raises(SyncFailedError):
        append(recording, AUDIO)
    assert len(lost) == 1
    assert recording.persisted == Checkpoint(1, 1200)
    await recording.release()

    recording = await storage.open(recording.manifest)
    assert recording.checkpoint == Checkpoint(1, 1200)
    append(recording, AUDIO[1200:])
    completed = await recording.complete(LATER)
    assert (await content(await storage.audio(completed)))[80:] == AUDIO
    await storage.stop()


async def test_a_session_whose_kept_input_is_gone_from_the_bucket_can_be_completed(
    open_s3: OpenS3, bucket: Bucket, tmp_path: Path, clock: ManualClock
) -> None:
    writer = open_s3(tmp_path / "writer")
    await writer.start()
    recording = await writer.create(new_manifest())
    recording.keep_input(1, 0, b"input")
    recording.append(AUDIO, Checkpoint(1, len(AUDIO), (StreamCheckpoint(1, 5, len(AUDIO), b""),)))
    await recording.flush()
    await recording.release()
    await writer.stop()
    keys = SessionKeys.of(recording.manifest)
    await bucket.delete(await bucket.keys(keys.inputs))
    other = open_s3(tmp_path / "other")
    await other.start()
    recording = await other.open(recording.manifest)
    completed = await recording.complete(LATER)
    assert [warning.code for warning in completed.warnings] == [KEPT_INPUT_LOST]
    assert (await content(await other.audio(completed)))[80:] == AUDIO
    await other.stop()
