"""A takeover of a session from a bucket."""

from pathlib import Path

import pytest

from storage.checkpoint import Checkpoint
from storage.errors import RecordingNotFoundError
from storage.s3 import S3Storage
from storage.s3.writing.recording import S3Recording
from tests.audio import dat
from tests.conftest import ManualClock
from tests.faults import FaultyStore
from tests.storage.s3.conftest import (
    AUDIO,
    LONG_AUDIO,
    RATE,
    OpenS3,
    abandoned_session,
    expire_lease,
    manifest_of,
    operations,
    peaks_of,
)
from tests.storage.test_conformance import LATER, append


async def test_a_takeover_reads_the_manifest_twice(
    store: FaultyStore,
    writer: S3Storage,
    reader: S3Storage,
    recording: S3Recording,
    clock: ManualClock,
) -> None:
    await recording.flush()
    recording.abandon()
    await expire_lease(clock, reader)
    since = len(store.requests)
    taken_over = await reader.open(await manifest_of(reader, recording))
    manifest = f"/{recording.manifest.session_id}.json"
    reads = [r for r in store.requests[since:] if r.path.endswith(manifest)]
    assert len(reads) == 2
    listed = [r.query for r in store.requests[since:] if r.operation == "List"]
    assert sum("epochs" in query for query in listed) == 1
    assert operations(store, since) == {
        "GetObject": 6,  # both manifests, the details, the last epoch, the two segments
        "HeadObject": 2,  # the last segment, the node that seems dead
        "List": 3,  # epochs, nodes, segments
        "ListMultipartUploads": 1,
        "PutObject": 2,  # the next epoch, an empty segment
    }
    assert taken_over.checkpoint == Checkpoint(2, len(AUDIO))
    await taken_over.release()


async def test_a_takeover_measures_the_session_again(
    open_s3: OpenS3, clock: ManualClock, tmp_path: Path
) -> None:
    session_id = await abandoned_session(open_s3, tmp_path / "one", clock)
    storage = open_s3(tmp_path / "other")
    await storage.start()
    assert await peaks_of(storage, session_id) == dat(LONG_AUDIO[:20_000], sample_rate=RATE)
    recording = await storage.open(await storage.manifest(session_id))
    assert (await (await recording.audio()).peaks()).encode() == dat(
        LONG_AUDIO[:20_000], sample_rate=RATE
    )
    append(recording, LONG_AUDIO[20_000:])
    assert (await (await recording.audio()).peaks()).encode() == dat(LONG_AUDIO, sample_rate=RATE)
    await recording.complete(LATER)
    assert await peaks_of(storage, session_id) == dat(LONG_AUDIO, sample_rate=RATE)
    await storage.stop()


async def test_a_node_continues_with_its_own_spool(
    open_s3: OpenS3, writer: S3Storage, recording: S3Recording, tmp_path: Path
) -> None:
    recording.abandon()
    await writer.stop()
    successor = open_s3(tmp_path / "writer")
    await successor.start()
    again = await successor.open(await manifest_of(successor, recording))
    assert again.checkpoint == Checkpoint(2, len(AUDIO))  # also what was not persisted
    assert again.persisted == Checkpoint(1, 1200)
    await again.release()
    await successor.stop()


async def test_a_spool_behind_which_another_node_has_written_is_discarded(
    open_s3: OpenS3,
    writer: S3Storage,
    reader: S3Storage,
    recording: S3Recording,
    clock: ManualClock,
    tmp_path: Path,
) -> None:
    recording.abandon()
    await writer.stop()
    other = await reader.open(await manifest_of(reader, recording))
    append(other, b"\1" * 400)
    await other.release()
    successor = open_s3(tmp_path / "writer")
    await successor.start()
    again = await successor.open(await manifest_of(successor, recording))
    assert again.checkpoint == again.persisted == Checkpoint(2, 1600)
    assert again.spool.read(0, 1600) == AUDIO[:1200] + b"\1" * 400
    await again.release()
    await successor.stop()


async def test_a_completed_session_cannot_be_taken_over(
    writer: S3Storage, reader: S3Storage, recording: S3Recording
) -> None:
    active = await manifest_of(reader, recording)
    await recording.complete(LATER)
    await writer.stop()  # waits for the cleaning, after which no segment says "completed"
    with pytest.raises(RecordingNotFoundError):
        await reader.open(active)
