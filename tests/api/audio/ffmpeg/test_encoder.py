"""The encoder converts recordings to other formats and leaves no process behind."""

import asyncio
from collections.abc import AsyncGenerator

import anyio
import numpy as np
import psutil
import pytest

from api.audio.ffmpeg.encoder import TARGETS, Converter
from storage.pcm import PcmFormat
from tests.audio import cut, decode, pcm, speech


async def pieces(data: bytes) -> AsyncGenerator[bytes, None]:
    for piece in cut(data, 10_007):
        yield piece


def correlation(one: bytes, other: bytes) -> float:
    """Return the highest cross-correlation of two recordings over all offsets, from 0 to 1."""
    a, b = (np.frombuffer(data, np.int16).astype(float) for data in (one, other))
    length = len(a) + len(b)
    product = np.fft.rfft(a, length) * np.conj(np.fft.rfft(b, length))
    return float(np.fft.irfft(product, length).max() / (np.linalg.norm(a) * np.linalg.norm(b)))


async def converted(data: bytes, pcm_format: PcmFormat, name: str) -> bytes:
    converting = Converter().convert(pieces(data), pcm_format, TARGETS[name])
    return b"".join([block async for block in converting])


async def test_flac_holds_exactly_the_recorded_samples() -> None:
    data = pcm(100_000, channels=2)
    made = await converted(data, PcmFormat(48000, 2), "flac")
    assert made.startswith(b"fLaC")
    assert decode(made, sample_rate=48000, channels=2) == data


@pytest.mark.parametrize("name", ["mp3", "opus"])
async def test_lossy_formats_correlate_with_the_recording(name: str) -> None:
    data = decode(speech(), sample_rate=48000)
    made = await converted(data, PcmFormat(48000, 1), name)
    assert len(made) < len(data) / 3
    assert correlation(data, decode(made, sample_rate=48000)) > 0.95


async def test_a_reader_that_stops_early_leaves_no_process() -> None:
    before = {child.pid for child in psutil.Process().children()}
    converting = Converter().convert(pieces(bytes(50_000_000)), PcmFormat(8000, 1), TARGETS["flac"])
    async for _ in converting:
        break
    await converting.aclose()
    assert {child.pid for child in psutil.Process().children()} <= before


async def test_a_failed_conversion_raises_the_message_of_ffmpeg() -> None:
    broken = TARGETS["mp3"]._replace(arguments=("-c:a", "no-such-codec", "-f", "mp3"))
    with pytest.raises(OSError, match="no-such-codec"):
        async for _ in Converter().convert(pieces(pcm(1000)), PcmFormat(8000, 1), broken):
            pass


async def test_a_conversion_in_a_cancelled_scope_leaves_no_process_and_no_descriptor() -> None:
    assert await converted(
        pcm(1000), PcmFormat(8000, 1), "flac"
    )  # opens the loop's own descriptors
    descriptors, children = psutil.Process().num_fds(), psutil.Process().children()
    data = bytes(50_000_000)
    for delay_seconds in (0.0, 0.0, 0.001, 0.01, 0.1, 0.3):
        converting = Converter().convert(pieces(data), PcmFormat(8000, 1), TARGETS["mp3"])
        with anyio.CancelScope() as scope:
            asyncio.get_running_loop().call_later(delay_seconds, scope.cancel)
            async for _ in converting:
                pass
    async with asyncio.timeout(10):
        while psutil.Process().children() != children or psutil.Process().num_fds() != descriptors:
            await asyncio.sleep(0.01)


async def test_an_encoder_that_hangs_is_ended(
    monkeypatch: pytest.MonkeyPatch, hanging_ffmpeg: str
) -> None:
    monkeypatch.setattr("api.audio.ffmpeg.command.binary", lambda: hanging_ffmpeg)
    with pytest.raises(OSError, match="wrote nothing for"):
        async for _ in Converter(stall_seconds=0.3).convert(
            pieces(pcm(1000)), PcmFormat(8000, 1), TARGETS["mp3"]
        ):
            pass
    assert not [child for child in psutil.Process().children() if child.name() == "sleep"]
