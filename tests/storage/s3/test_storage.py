"""S3 storage: requests per operation, and reading a session that another node writes."""

import errno
import os
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from storage import wav
from storage.base import Progress
from storage.checkpoint import Checkpoint, StreamCheckpoint
from storage.errors import FencedError, OwnedElsewhereError, SyncFailedError
from storage.manifest import Manifest
from storage.s3 import BucketSettings, S3Storage, UploadSettings
from storage.s3.client.bucket import Bucket
from storage.s3.keys import SessionKeys
from storage.s3.writing.recording import S3Recording
from storage.volume.disk import Disk
from storage.warning import KEPT_INPUT_LOST
from tests.audio import dat, pcm
from tests.conftest import ManualClock
from tests.faults import FaultyStore
from tests.storage.conftest import new_manifest
from tests.storage.s3.conftest import LEASE_SECONDS, OpenS3
from tests.storage.test_conformance import LATER, append, content

DATA = pcm(1000)


@pytest.fixture
async def writer(open_s3: OpenS3, tmp_path: Path) -> AsyncIterator[S3Storage]:
    storage = open_s3(tmp_path / "writer")
    await storage.start()
    yield storage
    await storage.stop()


@pytest.fixture
async def reader(open_s3: OpenS3, tmp_path: Path) -> AsyncIterator[S3Storage]:
    """The storage of another node."""
    storage = open_s3(tmp_path / "reader")
    await storage.start()
    yield storage
    await storage.stop()


@pytest.fixture
async def recording(writer: S3Storage) -> S3Recording:
    """An active recording with persisted and unpersisted audio."""
    recording = await writer.create(new_manifest())
    append(recording, DATA[:1200])
    await recording.flush()
    append(recording, DATA[1200:])
    return recording


async def manifest_of(storage: S3Storage, recording: S3Recording) -> Manifest:
    return await storage.manifest(UUID(recording.manifest.session_id))


def operations(store: FaultyStore, since: int) -> Counter[str]:
    return Counter(request.operation for request in store.requests[since:])


async def test_a_takeover_reads_the_manifest_twice(
    store: FaultyStore,
    writer: S3Storage,
    reader: S3Storage,
    recording: S3Recording,
    clock: ManualClock,
) -> None:
    await recording.flush()
    recording.abandon()
    clock.seconds += LEASE_SECONDS + 1
    await reader._node._renew()
    since = len(store.requests)
    taken_over = await reader.open(await manifest_of(reader, recording))
    manifest = f"/{recording.manifest.session_id}.json"
    reads = [r for r in store.requests[since:] if r.path.endswith(manifest)]
    assert len(reads) == 2
    listed = [r.query for r in store.requests[since:] if r.operation == "List"]
    assert sum("epochs" in query for query in listed) == 1
    assert operations(store, since) == {
        "GetObject": 6,  # both manifests, the last epoch, its node, the two segments
        "HeadObject": 1,  # the last segment
        "List": 2,  # epochs, segments
        "ListMultipartUploads": 1,
        "PutObject": 2,  # the next epoch, an empty segment
    }
    assert taken_over.checkpoint == Checkpoint(2, len(DATA))
    await taken_over.release()


async def test_completed_audio_and_its_waveform_take_one_request_each(
    store: FaultyStore, writer: S3Storage, reader: S3Storage, recording: S3Recording
) -> None:
    completed = await recording.complete(LATER)
    await writer.stop()  # waits for background clean-up
    since = len(store.requests)
    audio = await reader.audio(completed)
    assert audio.modified_at == LATER
    assert store.requests[since:] == []
    assert (await audio.peaks()).encode() == dat(DATA, sample_rate=16000)
    assert operations(store, since) == {"GetObject": 1}
    assert await content(audio, wav.HEADER_BYTES) == DATA
    assert operations(store, since) == {"GetObject": 2}


async def test_other_nodes_know_the_owner_of_a_session_while_its_lease_lasts(
    writer: S3Storage, reader: S3Storage, recording: S3Recording, clock: ManualClock
) -> None:
    manifest = await manifest_of(reader, recording)
    assert await reader.owner(manifest) == "http://node.example"
    assert await writer.owner(manifest) is None
    with pytest.raises(OwnedElsewhereError):
        await reader.open(manifest)
    with pytest.raises(OwnedElsewhereError):
        await reader.delete(manifest)
    clock.seconds += LEASE_SECONDS + 1
    assert await reader.owner(manifest) is None
    await writer._node._renew()
    assert await reader.owner(manifest) is not None
    await recording.release()
    assert await reader.owner(manifest) is None


async def test_the_owner_of_a_completed_session_is_none_without_a_request(
    store: FaultyStore, reader: S3Storage, recording: S3Recording
) -> None:
    completed = await recording.complete(LATER)
    since = len(store.requests)
    assert await reader.owner(completed) is None
    assert not [r for r in store.requests[since:] if "_nodes/" in r.path]


async def test_reading_a_session_of_another_node_does_not_take_it_over(
    reader: S3Storage, recording: S3Recording
) -> None:
    manifest = await manifest_of(reader, recording)
    audio = await reader.audio(manifest)
    assert await content(audio, wav.HEADER_BYTES) == DATA[:1200]
    persisted = recording.persisted
    assert persisted == Checkpoint(1, 1200)
    assert await reader.progress(manifest) == Progress(persisted, persisted)
    await recording.flush()
    assert recording.persisted == Checkpoint(2, len(DATA))
    await recording.release()


async def test_a_fenced_writer_returns_no_audio(
    reader: S3Storage, recording: S3Recording, clock: ManualClock
) -> None:
    clock.seconds += LEASE_SECONDS + 1
    await reader._node._renew()
    taken_over = await reader.open(await manifest_of(reader, recording))
    with pytest.raises(FencedError):
        await recording.flush()
    with pytest.raises(FencedError):
        await recording.audio()
    await recording.release()
    await taken_over.release()


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
    append(recording, DATA[:1200])
    await recording.flush()
    append(recording, DATA[1200:])
    failing.append(True)
    with pytest.raises(SyncFailedError, match="send again from chunk 2 on"):
        await recording.flush()
    for again in (recording.flush, recording.upload, lambda: recording.complete(LATER)):
        with pytest.raises(SyncFailedError):
            await again()
    with pytest.raises(SyncFailedError):
        append(recording, DATA)
    assert len(lost) == 1
    assert recording.persisted == Checkpoint(1, 1200)
    await recording.release()

    recording = await storage.open(recording.manifest)
    assert recording.checkpoint == Checkpoint(1, 1200)
    append(recording, DATA[1200:])
    completed = await recording.complete(LATER)
    assert (await content(await storage.audio(completed)))[80:] == DATA
    await storage.stop()


async def test_a_session_whose_kept_input_is_gone_from_the_bucket_can_be_completed(
    open_s3: OpenS3, bucket: Bucket, tmp_path: Path, clock: ManualClock
) -> None:
    writer = open_s3(tmp_path / "writer")
    await writer.start()
    recording = await writer.create(new_manifest())
    recording.keep_input(1, 0, b"input")
    recording.append(DATA, Checkpoint(1, len(DATA), (StreamCheckpoint(1, 5, len(DATA), b""),)))
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
    assert (await content(await other.audio(completed)))[80:] == DATA
    await other.stop()
