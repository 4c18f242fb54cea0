"""The encoder converts recordings to other formats and leaves no process behind."""

import asyncio
import math
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import numpy as np
import psutil
import pytest

from api.audio.ffmpeg.encoder import TARGETS, Converter, Encoding
from api.audio.formats import SAMPLE_RATES
from storage.pcm import PcmFormat
from tests.audio import cut, decode, decode_file, pcm, speech
from tests.eventually import eventually


async def pieces(data: bytes) -> AsyncGenerator[bytes, None]:
    for piece in cut(data, 10_007):
        yield piece


def correlation(one: bytes, other: bytes) -> float:
    """Return the highest cross-correlation of two recordings over all offsets, from 0 to 1."""
    a, b = (np.frombuffer(data, np.int16).astype(float) for data in (one, other))
    length = len(a) + len(b)
    product = np.fft.rfft(a, length) * np.conj(np.fft.rfft(b, length))
    return float(np.fft.irfft(product, length).max() / (np.linalg.norm(a) * np.linalg.norm(b)))


def encoding(data: bytes, pcm_format: PcmFormat, name: str) -> Encoding:
    return TARGETS[name].encoding(pcm_format, pcm_format.frames(len(data)))


async def converted(
    data: bytes, pcm_format: PcmFormat, name: str, converter: Converter | None = None
) -> bytes:
    target = encoding(data, pcm_format, name)
    converting = (converter or Converter()).convert(pieces(data), pcm_format, target)
    return b"".join([block async for block in converting])


def told_flac_frames(flac: bytes) -> int:
    """Return the total samples in STREAMINFO (RFC 9639, section 8.2)."""
    return int.from_bytes(flac[18:26]) % (1 << 36)


def told_opus_frames(opus: bytes) -> int:
    """Return the granule position of the last page, less the pre-skip (RFC 7845, section 4)."""
    last = opus[opus.rindex(b"OggS") :]
    return int.from_bytes(last[6:14], "little") - int.from_bytes(opus[38:40], "little")


async def test_flac_holds_exactly_the_recorded_samples() -> None:
    data = pcm(100_000, channels=2)
    made = await converted(data, PcmFormat(48000, 2), "flac")
    assert made.startswith(b"fLaC")
    assert decode(made, sample_rate=48000, channels=2) == data


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("sample_rate", SAMPLE_RATES)
@pytest.mark.parametrize("frames", [1, 15, 575, 1153, 100_003])
async def test_every_format_tells_its_exact_length(
    sample_rate: int, channels: int, frames: int, tmp_path: Path
) -> None:
    data, pcm_format = pcm(frames, channels=channels), PcmFormat(sample_rate, channels)
    flac = await converted(data, pcm_format, "flac")
    assert told_flac_frames(flac) == frames
    opus = await converted(data, pcm_format, "opus")
    assert told_opus_frames(opus) == math.ceil(frames * 48_000 / sample_rate)
    mp3 = await converted(data, pcm_format, "mp3")
    rate = min(sample_rate, 48_000)
    (tmp_path / "x.mp3").write_bytes(mp3)
    decoded = decode_file(tmp_path / "x.mp3", sample_rate=rate, channels=channels)
    assert len(decoded) == 2 * channels * math.ceil(frames * rate / sample_rate)
    assert len(mp3) == encoding(data, pcm_format, "mp3").size_bytes


@pytest.mark.parametrize("name", TARGETS)
async def test_a_recording_without_audio_is_converted(name: str) -> None:
    pcm_format = PcmFormat(44_100, 2)
    made = await converted(b"", pcm_format, name)
    assert encoding(b"", pcm_format, name).size_bytes in {None, len(made)}


@pytest.mark.parametrize("name", ["mp3", "opus"])
async def test_lossy_formats_correlate_with_the_recording(name: str) -> None:
    data = decode(speech(), sample_rate=48000)
    made = await converted(data, PcmFormat(48000, 1), name)
    assert len(made) < len(data) / 3
    assert correlation(data, decode(made, sample_rate=48000)) > 0.95


async def test_a_reader_that_stops_early_leaves_no_process() -> None:
    before = {child.pid for child in psutil.Process().children()}
    data, pcm_format = bytes(50_000_000), PcmFormat(8000, 1)
    flac = encoding(data, pcm_format, "flac")
    converting = Converter().convert(pieces(data), pcm_format, flac)
    async for _ in converting:
        break
    await converting.aclose()
    await eventually(
        lambda: {child.pid for child in psutil.Process().children()},
        before.issuperset,
        awaiting="no child process",
    )


async def test_a_failed_conversion_raises_the_message_of_ffmpeg() -> None:
    broken = Encoding(("-c:a", "no-such-codec", "-f", "mp3"))
    with pytest.raises(OSError, match="no-such-codec"):
        async for _ in Converter().convert(pieces(pcm(1000)), PcmFormat(8000, 1), broken):
            pass


async def test_a_conversion_in_a_cancelled_scope_leaves_no_process_and_no_descriptor() -> None:
    assert await converted(
        pcm(1000), PcmFormat(8000, 1), "flac"
    )  # opens the loop's own descriptors
    descriptors, children = psutil.Process().num_fds(), psutil.Process().children()
    data, pcm_format = bytes(50_000_000), PcmFormat(8000, 1)
    mp3 = encoding(data, pcm_format, "mp3")
    for delay_seconds in (0.0, 0.0, 0.001, 0.01, 0.1, 0.3):
        converting = Converter().convert(pieces(data), pcm_format, mp3)
        with anyio.CancelScope() as scope:
            asyncio.get_running_loop().call_later(delay_seconds, scope.cancel)
            async for _ in converting:
                pass
    await eventually(
        lambda: (psutil.Process().children(), psutil.Process().num_fds()),
        lambda left: left == (children, descriptors),
        awaiting="no process and no descriptor is left",
    )


async def test_an_encoder_that_hangs_is_ended(
    monkeypatch: pytest.MonkeyPatch, hanging_ffmpeg: str
) -> None:
    monkeypatch.setattr("api.audio.ffmpeg.command.binary", lambda: hanging_ffmpeg)
    with pytest.raises(OSError, match="wrote nothing for"):
        await converted(
            pcm(1000), PcmFormat(8000, 1), "mp3", converter=Converter(stall_seconds=0.3)
        )
    await eventually(
        lambda: [child for child in psutil.Process().children() if child.name() == "sleep"],
        lambda found: not found,
        awaiting="no child process",
    )
