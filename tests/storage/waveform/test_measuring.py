"""Measuring reads the audio that is not measured yet, once."""

from collections.abc import AsyncIterator

import pytest

from storage import wav
from storage.pcm import PcmFormat
from storage.waveform.measuring import measure
from tests.audio import cut, dat, pcm, pixels

FORMAT = PcmFormat(16000, 2)
DATA = pcm(5000, channels=2)
WAV = wav.header(FORMAT, len(DATA)) + DATA
PER_PIXEL = 320
PIXEL_BYTES = 8


class Audio:
    """A WAV that notes which part of it was read."""

    size_bytes = len(WAV)

    def __init__(self) -> None:
        self.started_at = -1

    async def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        self.started_at = start
        for piece in cut(WAV[start:stop], 777):
            yield piece


async def test_blocks_of_any_size_give_the_waveform_of_the_whole() -> None:
    found = await measure(Audio(), FORMAT)
    assert found.encode() == dat(DATA, sample_rate=16000, channels=2)


@pytest.mark.parametrize("known", [0, 1, 7, 15, 16])
async def test_audio_of_known_pixels_is_not_read_again(known: int) -> None:
    audio = Audio()
    first = pixels(DATA, per_pixel=PER_PIXEL, channels=2)[: known * PIXEL_BYTES]
    found = await measure(audio, FORMAT, first)
    assert found.encode() == dat(DATA, sample_rate=16000, channels=2)
    whole = min(known, 5000 // PER_PIXEL)  # the last pixel is partial: it is measured again
    assert audio.started_at == wav.HEADER_BYTES + whole * PER_PIXEL * FORMAT.frame_bytes


async def test_every_block_that_is_read_is_handed_on() -> None:
    read = bytearray()
    await measure(Audio(), FORMAT, on_block=read.extend)
    assert bytes(read) == DATA
