"""A snapshot of growing audio stays exact while audio moves from the spool to the bucket."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

import pytest

from storage import wav
from storage.errors import StorageUnavailableError
from storage.pcm import PcmFormat
from storage.s3.keys import SessionKeys
from storage.s3.writing.growing_audio import GrowingAudio, UnpersistedAudio
from storage.s3.writing.segment_log import SegmentLog
from tests.audio import pcm
from tests.storage.test_conformance import content

FORMAT = PcmFormat(16000, 1)
DATA = pcm(1000)


class Segments:
    """The persisted audio."""

    keys = SessionKeys(UUID(int=1))

    def __init__(self) -> None:
        self.pcm_bytes = 0

    async def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        assert stop <= self.pcm_bytes
        yield DATA[start:stop]


class SpoolProbe:
    """A spool that can be freed in the middle of a read; freed ranges are read as zeros."""

    def __init__(self) -> None:
        self.hole = (0, 0)
        self.frees_while_read: tuple[int, int] | None = None
        self.is_gone = False

    def holds(self, start: int, stop: int) -> bool:
        return min(stop, self.hole[1]) <= max(start, self.hole[0])

    def read(self, start: int, stop: int) -> bytes:
        if self.is_gone:
            raise StorageUnavailableError("no such file")
        if self.frees_while_read:
            self.hole = self.frees_while_read
        begin, end = self.hole
        return (DATA[:begin] + bytes(end - begin) + DATA[end:])[start:stop]


@pytest.fixture
def segments() -> Segments:
    return Segments()


@pytest.fixture
def spool() -> SpoolProbe:
    return SpoolProbe()


@pytest.fixture
def audio(segments: Segments, spool: SpoolProbe) -> GrowingAudio:
    """A snapshot taken when nothing was persisted."""

    async def pixels() -> bytes:
        return b""

    return GrowingAudio(
        cast("SegmentLog", segments),
        FORMAT,
        datetime(2026, 1, 1, tzinfo=UTC),
        UnpersistedAudio(len(DATA), spool.holds, spool.read, pixels),
    )


async def test_unpersisted_audio_comes_from_the_spool(audio: GrowingAudio) -> None:
    assert await content(audio) == wav.header(FORMAT, len(DATA)) + DATA


async def test_audio_freed_after_the_snapshot_comes_from_segments(
    audio: GrowingAudio, segments: Segments, spool: SpoolProbe
) -> None:
    segments.pcm_bytes, spool.hole = 1500, (400, 1200)
    assert await content(audio, wav.HEADER_BYTES) == DATA


async def test_audio_freed_during_a_read_is_read_again_from_segments(
    audio: GrowingAudio, segments: Segments, spool: SpoolProbe
) -> None:
    segments.pcm_bytes, spool.frees_while_read = 1500, (400, 1200)
    assert await content(audio, wav.HEADER_BYTES) == DATA


async def test_fully_persisted_audio_needs_no_spool(
    audio: GrowingAudio, segments: Segments, spool: SpoolProbe
) -> None:
    segments.pcm_bytes, spool.is_gone = len(DATA), True
    assert await content(audio, wav.HEADER_BYTES) == DATA


async def test_audio_in_neither_place_raises_an_error(
    audio: GrowingAudio, segments: Segments, spool: SpoolProbe
) -> None:
    segments.pcm_bytes, spool.is_gone = 1500, True
    with pytest.raises(StorageUnavailableError):
        await content(audio, wav.HEADER_BYTES)
