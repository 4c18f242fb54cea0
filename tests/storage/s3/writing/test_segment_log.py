import base64
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import AsyncMock
from uuid import UUID

import pytest
import uuid_utils.compat

from storage.checkpoint import Checkpoint, OpenPause, StreamCheckpoint, encode_record
from storage.errors import StorageUnavailableError
from storage.pcm import PcmFormat
from storage.s3.client.bucket import Bucket, KeyExistsError
from storage.s3.keys import SessionKeys
from storage.s3.ownership.lease import Lease
from storage.s3.ownership.node import Node
from storage.s3.ownership.peers import LeaseSettings
from storage.s3.writing.segment import Segment
from storage.s3.writing.segment_log import SegmentLog, decode_metadata
from tests.audio import pcm
from tests.damage import damaged
from tests.faults import FaultyStore, Kind
from tests.s3_requests import is_a

FORMAT = PcmFormat(16000, 1)
AUDIO = pcm(1500)
_CUTS = (0, 1000, 1000, 1002, 3000)


@pytest.fixture
def keys() -> SessionKeys:
    return SessionKeys(UUID(str(uuid_utils.compat.uuid7())))


@pytest.fixture
async def node(bucket: Bucket, tmp_path: Path) -> AsyncIterator[Node]:
    node = Node(bucket, tmp_path, LeaseSettings())
    await node.start()
    yield node
    await node.stop()


@pytest.fixture
async def lease(bucket: Bucket, keys: SessionKeys, node: Node) -> Lease:
    return await Lease.acquire(bucket, keys, node)


@pytest.fixture
async def segments(bucket: Bucket, keys: SessionKeys, lease: Lease) -> SegmentLog:
    """Four segments, one without audio."""
    segments = SegmentLog(bucket, keys, FORMAT, lease)
    for count, (start, stop) in enumerate(itertools.pairwise(_CUTS), 1):
        await segments.append(AUDIO[start:stop], Checkpoint(count, stop))
    return segments


async def read(segments: SegmentLog, start: int, stop: int) -> bytes:
    return b"".join([block async for block in segments.read(start, stop)])


async def test_a_range_is_read_across_segments(segments: SegmentLog) -> None:
    edges = [0, 1, 999, 1000, 1001, 1002, 1003, 2999, 3000]
    for start in edges:
        for stop in edges:
            assert await read(segments, start, stop) == AUDIO[start:stop]


async def test_the_last_segment_holds_the_checkpoint(
    bucket: Bucket, keys: SessionKeys, lease: Lease
) -> None:
    stream = StreamCheckpoint(1, 0, 0, bytes(range(256)))
    writer = SegmentLog(bucket, keys, FORMAT, lease)
    checkpoint = Checkpoint(9, 3000, (stream,)).warned("decode_failed", "päng", frame=1500)
    await writer.append(AUDIO, checkpoint)
    segments = SegmentLog(bucket, keys, FORMAT)
    assert await segments.load() == checkpoint
    assert (segments.count, segments.pcm_bytes) == (1, 3000)
    assert await read(segments, 0, 3000) == AUDIO


async def test_a_log_without_segments_loads_as_empty(bucket: Bucket, keys: SessionKeys) -> None:
    assert await SegmentLog(bucket, keys, FORMAT).load() == Checkpoint()


async def test_each_segment_is_a_valid_wav(
    bucket: Bucket, keys: SessionKeys, segments: SegmentLog
) -> None:
    assert Segment.decode(await bucket.get(keys.segment(0))) == Segment(FORMAT, AUDIO[:1000])


@pytest.mark.parametrize("sequence", [0, 1, 2])
async def test_a_missing_segment_is_reported_by_its_name(
    bucket: Bucket, keys: SessionKeys, segments: SegmentLog, sequence: int
) -> None:
    await bucket.delete([keys.segment(sequence)])
    with pytest.raises(StorageUnavailableError, match=keys.segment(sequence)):
        await SegmentLog(bucket, keys, FORMAT).load()


async def test_a_segment_without_a_checkpoint_is_reported(
    bucket: Bucket, keys: SessionKeys, segments: SegmentLog
) -> None:
    await bucket.put(keys.segment(4), Segment(FORMAT, b"").encode())
    with pytest.raises(StorageUnavailableError, match="how far"):
        await SegmentLog(bucket, keys, FORMAT).load()


async def test_a_writer_with_a_successor_cannot_write(
    bucket: Bucket, keys: SessionKeys, segments: SegmentLog, node: Node
) -> None:
    successor = SegmentLog(bucket, keys, FORMAT, await Lease.acquire(bucket, keys, node))
    assert await successor.take_over(AsyncMock()) == Checkpoint(4, 3000)
    with pytest.raises(KeyExistsError):
        await segments.append(AUDIO, Checkpoint(5, 6000))
    await successor.append(b"\0\0", Checkpoint(5, 3002))
    assert await read(successor, 2998, 3002) == AUDIO[2998:] + b"\0\0"


async def test_a_segment_is_written_once_if_the_answers_are_lost(
    bucket: Bucket, keys: SessionKeys, lease: Lease, store: FaultyStore
) -> None:
    segments = SegmentLog(bucket, keys, FORMAT, lease)
    fault = store.fail(Kind.LOST_ANSWER, is_a("PutObject"))
    with pytest.raises(StorageUnavailableError):
        await segments.append(AUDIO, Checkpoint(1, 3000))
    fault.end()
    await segments.append(AUDIO, Checkpoint(1, 3000))
    assert segments.count == 1
    assert await read(segments, 0, 3000) == AUDIO


def test_damaged_metadata_of_a_segment_is_its_checkpoint_or_no_checkpoint() -> None:
    checkpoint = Checkpoint(3, 64000, (StreamCheckpoint(1, 5, 0, b""),))
    text = base64.b64encode(encode_record(checkpoint))
    for data in damaged(text):
        try:
            assert decode_metadata(data.decode("latin-1"), 64000) == checkpoint
        except ValueError:
            continue


@pytest.mark.parametrize("pause", [None, OpenPause(0.0, 4)], ids=["ended", "open"])
async def test_release_0_2_0_finds_no_checkpoint_once_a_session_was_paused(
    pause: OpenPause | None, segments: SegmentLog, bucket: Bucket, keys: SessionKeys, lease: Lease
) -> None:
    segments.requires_release = pause is None
    checkpoint = Checkpoint(5, 3000, pause=pause)
    await segments.append(b"", checkpoint)
    successor = SegmentLog(bucket, keys, FORMAT, lease)
    assert await successor.load() == checkpoint
    await successor.append(b"", Checkpoint(5, 3000))
    for sequence in (4, 5):
        # Release 0.2.0 reads this name alone, and takes no session over without it.
        assert "checkpoint" not in (await bucket.head(keys.segment(sequence))).metadata
