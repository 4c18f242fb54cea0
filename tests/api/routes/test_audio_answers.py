"""Extracts of a recording, as files of which parts can be read."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import pytest

from api.routes.audio_answers import Extract
from storage.pcm import PcmFormat
from storage.wav import HEADER_BYTES, header
from storage.waveform.peaks import Peaks
from tests.audio import pcm

FORMAT = PcmFormat(1000, 2)


class StoredAudio:
    """A recording of 100 frames in memory."""

    content = header(FORMAT, 400) + pcm(100, channels=2)
    size_bytes = HEADER_BYTES + 400
    modified_at = datetime(2026, 1, 1, tzinfo=UTC)
    etag = '"whole"'

    async def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        for begin in range(start, stop, 7):
            yield self.content[begin : min(begin + 7, stop)]

    async def peaks(self) -> Peaks:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [(0.0, None, 0, 100), (0.02, 0.05, 20, 50), (0.05, 0.02, 50, 50), (0.09, 1e300, 90, 100)],
)
async def test_an_extract_is_a_wav_of_whole_frames_in_any_range(
    start: float, end: float | None, first: int, last: int
) -> None:
    extract = Extract(StoredAudio(), FORMAT, start, end)
    audio = StoredAudio.content[HEADER_BYTES + first * 4 : HEADER_BYTES + last * 4]
    whole = header(FORMAT, len(audio)) + audio
    assert extract.size_bytes == len(whole)
    size = len(whole)
    for begin, stop in ((0, size), (0, 1), (HEADER_BYTES - 1, size), (size - 1, size), (5, 5)):
        assert b"".join([block async for block in extract.read(begin, stop)]) == whole[begin:stop]
    assert b"".join([block async for block in extract.pcm()]) == audio


def test_extracts_of_one_recording_have_different_etags() -> None:
    extracts = [Extract(StoredAudio(), FORMAT, start, None) for start in (0.0, 0.01)]
    assert len({each.etag for each in extracts}) == 2
    assert all(each.etag.startswith('"whole-') for each in extracts)
