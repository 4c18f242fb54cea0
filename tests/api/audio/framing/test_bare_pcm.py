"""The Matroska framer passes headerless PCM to ffmpeg unchanged and without delay."""

import asyncio

import pytest

from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.framing.bare_pcm import BarePcmFramer
from storage.pcm import Buffer, PcmFormat
from tests.audio import cut, cut_anywhere, decode, encode, pcm, speech

SAMPLES = ["u8", "s16le", "s24le", "s32le", "f32le", "f64le", "alaw", "mulaw"]
RATES = [8000, 22050, 48000]


def bare(samples: str, rate: int, channels: int) -> bytes:
    """Return speech as samples without a header."""
    output = ("-ar", str(rate), "-ac", str(channels), "-f", samples)
    return encode(speech(), *output)


async def decoded(pieces: list[bytes], framer: BarePcmFramer, pcm_format: PcmFormat) -> bytes:
    out = bytearray()

    async def emit(data: Buffer) -> None:
        out.extend(data)

    decoder = await DecoderLauncher().start("matroska", pcm_format, emit)
    for piece in pieces:
        await decoder.feed(b"".join(framer.feed(piece)))
    await decoder.feed(b"".join(framer.finish()))
    await decoder.finish()
    return bytes(out)


@pytest.mark.parametrize("samples", SAMPLES)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", RATES)
async def test_framed_samples_are_decoded_like_headerless_samples(
    samples: str, channels: int, rate: int
) -> None:
    data = bare(samples, rate, channels)
    options = ("-f", samples, "-ar", str(rate), "-ac", str(channels))
    for target in (PcmFormat(rate, channels), PcmFormat(16000, 1)):
        framer = BarePcmFramer(samples, rate, channels, None)
        pieces = list(cut_anywhere(data, seed=rate + channels))
        expected = decode(
            data, sample_rate=target.sample_rate, channels=target.channels, input_options=options
        )
        assert await decoded(pieces, framer, target) == expected


@pytest.mark.parametrize("samples", SAMPLES)
async def test_ffmpeg_emits_each_block_before_the_next_one_arrives(samples: str) -> None:
    data, out, arrived = bare(samples, 8000, 1), bytearray(), asyncio.Event()
    frame_bytes = (
        len(data)
        * 2
        // len(decode(data, sample_rate=8000, input_options=("-f", samples, "-ar", "8000")))
    )

    async def emit(block: Buffer) -> None:
        out.extend(block)
        arrived.set()

    framer = BarePcmFramer(samples, 8000, 1, None)
    decoder = await DecoderLauncher().start("matroska", PcmFormat(8000, 1), emit)
    for number, piece in enumerate(cut(data[: 30 * 160 * frame_bytes], 160 * frame_bytes), 1):
        await decoder.feed(b"".join(framer.feed(piece)))
        async with asyncio.timeout(60):
            while len(out) < 320 * number:
                arrived.clear()
                await arrived.wait()
    await decoder.kill()


async def test_only_the_data_chunks_of_a_wav_are_passed_on() -> None:
    framer = BarePcmFramer("s16le", 44100, 1, 200)
    pieces = list(cut(pcm(100) + b"LIST\x02\0\0\0ab" + b"data\x04\0\0\0" + pcm(2, seed=1), 3))
    assert await decoded(pieces, framer, PcmFormat(44100, 1)) == pcm(100) + pcm(2, seed=1)
