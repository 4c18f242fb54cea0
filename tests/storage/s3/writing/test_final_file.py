"""The final WAV is put while it is recorded, and becomes one object at the end."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from storage import wav
from storage.errors import RecordingNotFoundError
from storage.pcm import PcmFormat
from storage.s3 import S3Storage
from storage.s3.keys import SessionKeys
from storage.s3.writing.final_file import uploaded_pcm
from storage.s3.writing.recording import S3Recording
from tests.audio import pcm
from tests.faults import FaultyStore
from tests.storage.conftest import new_manifest
from tests.storage.s3.conftest import LONG_AUDIO, PART_BYTES, RATE, OpenS3
from tests.storage.test_conformance import LATER, append


@pytest.fixture
async def long(writer: S3Storage) -> AsyncIterator[S3Recording]:
    """A recording with several whole parts, all of them put but the first."""
    recording = await writer.create(new_manifest())
    append(recording, LONG_AUDIO)
    await recording.upload()
    yield recording
    await recording.release()


def parts(store: FaultyStore) -> list[int]:
    """Return the numbers of the parts in the order in which they were put."""
    queries = [parse_qs(each.query) for each in store.requests if each.operation == "UploadPart"]
    return [int(query["partNumber"][0]) for query in queries]


async def test_every_whole_part_but_the_first_is_put_while_recording(
    store: FaultyStore, long: S3Recording
) -> None:
    whole = (wav.HEADER_BYTES + len(LONG_AUDIO)) // PART_BYTES
    assert parts(store) == list(range(2, whole + 1))
    first = PART_BYTES - wav.HEADER_BYTES
    assert long.spool.holds(0, first)
    assert not long.spool.holds(first, first + 1)  # the bucket has it twice
    await long.upload()
    assert parts(store) == list(range(2, whole + 1))


async def test_the_last_part_and_then_the_first_complete_the_object(
    store: FaultyStore, writer: S3Storage, long: S3Recording
) -> None:
    key = SessionKeys.of(long.manifest).audio
    with pytest.raises(RecordingNotFoundError):
        await writer._bucket.head(key)
    await long.complete(LATER)
    last = (wav.HEADER_BYTES + len(LONG_AUDIO)) // PART_BYTES + 1
    assert parts(store)[-2:] == [last, 1]
    header = wav.header(PcmFormat(RATE, 1), len(LONG_AUDIO))
    assert await writer._bucket.get(key) == header + LONG_AUDIO


async def test_audio_shorter_than_a_part_is_one_put(
    store: FaultyStore, open_s3: OpenS3, tmp_path: Path
) -> None:
    storage = open_s3(tmp_path / "short")
    await storage.start()
    for frames in (0, 1, (PART_BYTES - wav.HEADER_BYTES) // 2):
        recording = await storage.create(new_manifest())
        append(recording, pcm(frames))
        await recording.complete(LATER)
        key = SessionKeys.of(recording.manifest).audio
        assert (await storage._bucket.get(key))[wav.HEADER_BYTES :] == pcm(frames)
    assert parts(store) == []
    await storage.stop()


def test_without_an_upload_no_pcm_is_in_parts() -> None:
    start, stop = uploaded_pcm(None, PART_BYTES)
    assert start == stop == PART_BYTES - wav.HEADER_BYTES
