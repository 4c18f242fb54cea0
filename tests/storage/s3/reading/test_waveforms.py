"""Long waveforms are copied to a file that all their readers share."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.errors import RecordingNotFoundError
from storage.s3 import BucketSettings
from storage.s3.client.bucket import Bucket
from storage.s3.reading.waveforms import WaveformReader
from storage.waveform.pixels import FilePixels
from tests.faults import FaultyStore
from tests.storage.s3.conftest import operations

BLOCK_BYTES = 100
DATA = bytes(range(250))


@pytest.fixture
async def bucket(settings: BucketSettings) -> AsyncIterator[Bucket]:
    bucket = Bucket(settings)
    await bucket.start()
    await bucket.put("waveform", DATA)
    yield bucket
    await bucket.stop()


@pytest.fixture
def waveforms(bucket: Bucket, tmp_path: Path) -> WaveformReader:
    return WaveformReader(bucket, tmp_path / "spool", BLOCK_BYTES)


def unnamed_files(folder: Path) -> list[str]:
    """Return what this process has open in ``folder`` and below, and what has no name."""
    links = (str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink())
    return [link for link in links if link.startswith(str(folder)) and link.endswith("(deleted)")]


async def test_a_short_waveform_takes_one_request(
    waveforms: WaveformReader, store: FaultyStore
) -> None:
    since = len(store.requests)
    assert await waveforms.read("waveform", BLOCK_BYTES) == DATA[:BLOCK_BYTES]
    assert operations(store, since) == {"GetObject": 1}


@pytest.mark.parametrize("size_bytes", [101, 200, 201, 250])
async def test_a_long_waveform_is_read_a_block_at_a_time(
    waveforms: WaveformReader, size_bytes: int
) -> None:
    found = await waveforms.read("waveform", size_bytes)
    assert isinstance(found, FilePixels)
    assert found[:] == DATA[:size_bytes]


async def test_a_waveform_that_is_too_short_is_read_whole(waveforms: WaveformReader) -> None:
    assert (await waveforms.read("waveform", 290))[:] == DATA


async def test_readers_of_one_waveform_share_one_copy_that_goes_with_the_last(
    waveforms: WaveformReader, store: FaultyStore, tmp_path: Path
) -> None:
    since = len(store.requests)
    readers = await asyncio.gather(*(waveforms.read("waveform", 250) for _ in range(20)))
    assert operations(store, since) == {"GetObject": 3}
    assert len(unnamed_files(tmp_path)) == 1
    assert list((tmp_path / "spool").iterdir()) == []  # nothing is left after a crash
    del readers
    await asyncio.sleep(0)  # the event loop forgets the tasks
    assert unnamed_files(tmp_path) == []


async def test_a_missing_waveform_is_an_error(waveforms: WaveformReader) -> None:
    for size_bytes in (10, 250):
        with pytest.raises(RecordingNotFoundError):
            await waveforms.read("missing", size_bytes)
