"""WAV files with unusual features that the format allows or that known writers produce."""

import asyncio
import contextlib
import struct
from random import Random

from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.formats import DecodeError
from api.audio.stream_decoder import StreamDecoder
from storage.pcm import Buffer, PcmFormat
from tests.audio import decode
from tests.fuzz.properties import random_chunks

PCM_FORMAT = PcmFormat(44100, 1)
_GUID = bytes.fromhex("000000001000800000aa00389b71")
_SAMPLES = (
    (1, 16), (1, 16), (1, 16), (1, 16), (1, 8), (1, 24), (1, 32), (3, 32), (3, 64), (6, 8), (7, 8),
    (1, 12), (1, 20), (1, 0), (3, 16), (2, 4), (0x55, 0),
)  # fmt: skip
_FLOAT = struct.pack("<H", 3)
_MAX_UINT32 = 0xFFFFFFFF


def random_wav(random: Random) -> bytes:
    """Return a random WAV, without known differences of ffmpeg's versions and the service.

    ffmpeg decodes nothing if ``ds64`` is short, late or gives no audio, or if ``bext`` is short;
    the service records such audio. Two format chunks are two streams for ffmpeg. After audio of
    an odd length, ffmpeg 5 expects the next chunk at once, and ffmpeg 9 after a padding byte.
    The decode of huge floats is undefined.
    """
    magic, sample_format = (
        random.choice((b"RIFF", b"RIFF", b"RIFF", b"RF64", b"BW64")),
        _format(random),
    )
    audio = _audio(random, sample_format, random.choice((0, 1, 2, 3, 100, 101, 4000)))
    claimed = _random_size_field(random, len(audio))
    chunks = [
        *(_chunk(random) for _ in range(random.choice((0, 0, 1, 2)))),
        sample_format,
        *(_chunk(random) for _ in range(random.choice((0, 0, 1)))),
    ]
    data = b"data" + struct.pack("<I", claimed) + audio
    if magic != b"RIFF":
        claimed = max(1, _random_size_field(random, len(audio)))
        chunks.insert(0, _ds64(random, claimed))
    behind = 0 if _is_float(sample_format) else random.choice((0, 0, 1, 2))
    after = b"".join(_chunk(random) for _ in range(behind))
    if claimed % 2 == 0 and not _is_float(sample_format) and random.random() < 0.4:
        more = _audio(random, sample_format, 60)
        after += b"data" + struct.pack("<I", _random_size_field(random, len(more))) + more
    body = b"WAVE" + b"".join(chunks) + data + after
    return magic + struct.pack("<I", _random_size_field(random, len(body))) + body


def check_against_ffmpeg(data: bytes, random: Random) -> None:
    """Check that the service decodes ``data``, cut anywhere, as ffmpeg does from a pipe."""
    expected = decode(data, sample_rate=44100, input_options=("-f", "wav"))
    found = asyncio.run(decoded(random_chunks(data, random)))
    assert found == expected, f"{len(found)} bytes of PCM, {len(expected)} by ffmpeg"


async def decoded(chunks: list[bytes]) -> bytes:
    """Return the PCM that the service decodes, and ignore decode errors."""
    out = bytearray()

    async def emit(pcm: Buffer) -> None:
        out.extend(pcm)

    stream = StreamDecoder("wav", PCM_FORMAT, launcher=DecoderLauncher(), emit=emit)
    with contextlib.suppress(DecodeError):
        for chunk in chunks:
            out += await stream.feed(chunk)
        out += await stream.finish()
    await stream.abort()
    return bytes(out)


def _random_size_field(random: Random, truth: int) -> int:
    """Return a size as writers store it: correct, unknown, or wrong."""
    unknown = (0, _MAX_UINT32, _MAX_UINT32 - 1)
    wrong = (truth + 1, max(0, truth - 1), max(0, truth - 2), truth + 1000)
    return truth if random.random() < 0.5 else random.choice(unknown + wrong)


def _audio(random: Random, sample_format: bytes, size: int) -> bytes:
    """Return noise; quiet noise if the format is float."""
    return bytes(random.choices(range(0x3C if _is_float(sample_format) else 0x100), k=size))


def _is_float(sample_format: bytes) -> bool:
    return _FLOAT in {sample_format[8:10], sample_format[32:34]}


def _chunk(random: Random) -> bytes:
    tag = random.choice((b"JUNK", b"LIST", b"fact", b"id3 ", b"PEAK", b"odd ", b"FLLR"))
    body = random.randbytes(random.choice((0, 1, 4, 7, 26, 300)))
    if tag == b"LIST":
        body = b"INFOISFT\x05\0\0\0abcde" + body[:1]
    padding = b"\0" * (len(body) % 2) if random.random() < 0.9 else b""
    return tag + struct.pack("<I", len(body)) + body + padding


def _ds64(random: Random, data_bytes: int) -> bytes:
    sizes = (_random_size_field(random, data_bytes + 100), data_bytes, data_bytes // 2)
    body = struct.pack("<QQQI", *sizes, 0)[: random.choice((28, 28, 24))]
    return b"ds64" + struct.pack("<I", len(body)) + body


def _format(random: Random) -> bytes:
    tag, bits = random.choice(_SAMPLES)
    channels = random.choice((1, 1, 1, 1, 2, 3, 0))
    sample_rate = random.choice((44100, 44100, 44100, 22050, 8000, 0))
    block = max(1, channels * bits // 8)
    if random.random() < 0.1:
        block = random.choice((0, 1, 3, 2 * block))
    byte_rate = sample_rate * block if random.random() < 0.9 else random.choice((0, 1, _MAX_UINT32))
    extended = random.random() < 0.25
    body = struct.pack(
        "<HHIIHH",
        0xFFFE if extended else tag,
        channels,
        sample_rate,
        byte_rate & _MAX_UINT32,
        block,
        bits,
    )
    if extended:
        valid_bits, speakers = random.choice((bits, bits, 0, 12)), random.choice((0, 1, 3, 4, 63))
        body += struct.pack("<HHIH", 22, valid_bits, speakers, tag) + _GUID
    elif random.random() < 0.3:
        body += random.choice((b"\0\0", b"\x02\0\0\0", b"\x16\0"))
    elif random.random() < 0.05:
        body = body[:14]
    return b"fmt " + struct.pack("<I", len(body)) + body
