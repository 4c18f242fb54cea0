"""The waveform of a completed recording is read where it is kept, else measured once and kept."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from storage import wav
from storage.errors import StorageUnavailableError
from storage.pcm import PcmFormat
from storage.waveform.kept import KeptWaveform
from tests.audio import dat, pcm

FORMAT = PcmFormat(16000, 1)
DATA = pcm(5000)
WAV = wav.header(FORMAT, len(DATA)) + DATA
WAVEFORM = dat(DATA, sample_rate=16000)


class Audio:
    size_bytes = len(WAV)

    def __init__(self) -> None:
        self.reads = 0

    async def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        self.reads += 1
        await asyncio.sleep(0)
        yield WAV[start:stop]


class Store:
    """A place for one waveform, in memory."""

    name = "x.dat"

    def __init__(self, data: bytes | None = None, failure: Exception | None = None) -> None:
        self.data = data
        self.failure = failure

    async def read(self, size_bytes: int) -> bytes | None:
        return self.data and self.data[:size_bytes]

    async def keep(self, data: bytes) -> None:
        if self.failure is not None:
            raise self.failure
        self.data = data


def kept(store: Store) -> KeptWaveform:
    return KeptWaveform(store, FORMAT, asyncio.Lock())


async def test_a_kept_waveform_is_returned_without_reading_audio() -> None:
    audio = Audio()
    assert (await kept(Store(WAVEFORM)).peaks_of(audio)).encode() == WAVEFORM
    assert audio.reads == 0


@pytest.mark.parametrize(
    "data",
    [None, b"", WAVEFORM[:-1], dat(DATA[:2000], sample_rate=16000), dat(DATA, sample_rate=8000)],
    ids=["missing", "empty", "truncated", "of other audio", "of another rate"],
)
async def test_concurrent_requests_measure_once_and_keep_the_result(data: bytes | None) -> None:
    audio, store = Audio(), Store(data)
    waveform = kept(store)
    found = await asyncio.gather(*(waveform.peaks_of(audio) for _ in range(3)))
    assert {peaks.encode() for peaks in found} == {WAVEFORM}
    assert audio.reads == 1
    assert store.data == WAVEFORM


async def test_a_waveform_that_cannot_be_kept_is_returned_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Store(failure=StorageUnavailableError("disk full"))
    assert (await kept(store).peaks_of(Audio())).encode() == WAVEFORM
    assert "Failed to keep a waveform: name=x.dat error=disk full" in caplog.text
