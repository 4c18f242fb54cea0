"""Test audio, and reference decodes and encodes by ffmpeg."""

import functools
import random
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from api.audio.ffmpeg.command import binary

SPEECH = Path(__file__).parent / "data" / "speech.wav"


def pcm(frames: int, *, channels: int = 1, seed: int = 0) -> bytes:
    """Return signed 16-bit noise, so that a lost or repeated sample is visible."""
    samples = np.random.default_rng(seed).integers(-(2**15), 2**15, frames * channels)
    return samples.astype("<i2").tobytes()


def pixels(data: bytes, *, per_pixel: int, channels: int = 1) -> bytes:
    """Return the expected waveform of ``data``: minimum and maximum per pixel and channel."""
    frames = np.frombuffer(data, "<i2").reshape(-1, channels)
    blocks = [frames[at : at + per_pixel] for at in range(0, len(frames), per_pixel)]
    values = [np.stack([block.min(axis=0), block.max(axis=0)], axis=1) for block in blocks]
    return b"".join(value.astype("<i2").tobytes() for value in values)


def dat(data: bytes, *, sample_rate: int, channels: int = 1) -> bytes:
    """Return the expected waveform file of a recording."""
    per_pixel = sample_rate // 50
    found = pixels(data, per_pixel=per_pixel, channels=channels)
    length = len(found) // (4 * channels)
    return struct.pack("<iIiiIi", 2, 0, sample_rate, per_pixel, length, channels) + found


@functools.cache
def speech() -> bytes:
    """Return a WAV file of speech: 22,050 Hz, mono, 16 bits."""
    return SPEECH.read_bytes()


def wav(
    data: bytes,
    *,
    sample_rate: int = 44100,
    channels: int = 1,
    sample_bits: int = 16,
    format_tag: int = 1,
    data_bytes: int | None = None,
    before: bytes = b"",
    after: bytes = b"",
) -> bytes:
    """Return a WAV file; ``data_bytes`` overrides the size in its header."""
    block = channels * sample_bits // 8
    fmt = struct.pack(
        "<HHIIHH", format_tag, channels, sample_rate, sample_rate * block, block, sample_bits
    )
    size = len(data) if data_bytes is None else data_bytes
    body = b"WAVE" + before + chunk(b"fmt ", fmt) + b"data" + struct.pack("<I", size) + data + after
    return b"RIFF" + struct.pack("<I", min(len(body), 0xFFFFFFFF)) + body


def extensible(data: bytes, *, speakers: int = 0x4, valid_bits: int = 16) -> bytes:
    """Return a WAV file of 44,100 Hz, mono, 16 bits, with WAVEFORMATEXTENSIBLE."""
    subformat = bytes.fromhex("0100000000001000800000aa00389b71")
    fmt = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 44100, 88200, 2, 16, 22, valid_bits, speakers)
    return b"RIFF\0\0\0\0WAVE" + chunk(b"fmt ", fmt + subformat) + chunk(b"data", data)


def chunk(tag: bytes, body: bytes) -> bytes:
    """Return a RIFF chunk, padded to an even length."""
    return tag + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def encode(source: bytes, *options: str) -> bytes:
    """Return ``source`` (a WAV) encoded by ffmpeg with ``options``."""
    return _ffmpeg("-i", "pipe:0", *options, "pipe:1", source=source)


def encode_silence(seconds: int, *options: str) -> bytes:
    """Return encoded silence (8,000 Hz, mono): few bytes for much audio."""
    source = ("-f", "lavfi", "-i", "anullsrc=sample_rate=8000:channel_layout=mono")
    return _ffmpeg(*source, "-t", str(seconds), *options, "pipe:1", source=b"")


def decode(
    source: bytes, *, sample_rate: int, channels: int = 1, input_options: tuple[str, ...] = ()
) -> bytes:
    """Return the reference PCM: one ffmpeg decode of the whole ``source``, read from a pipe."""
    output = ("-map", "0:a:0", "-f", "s16le", "-ar", str(sample_rate), "-ac", str(channels))
    return _ffmpeg(*input_options, "-i", "pipe:0", *output, "pipe:1", source=source)


def decode_file(path: Path, *, sample_rate: int, channels: int = 1) -> bytes:
    """Return the PCM of a file that ffmpeg can seek in, as a player does."""
    output = ("-map", "0:a:0", "-f", "s16le", "-ar", str(sample_rate), "-ac", str(channels))
    return _ffmpeg("-i", str(path), *output, "pipe:1", source=b"")


def cut(data: bytes, size: int) -> Iterator[bytes]:
    """Return ``data`` in pieces of ``size`` bytes."""
    return (data[start : start + size] for start in range(0, len(data), size))


def cut_anywhere(data: bytes, *, seed: int, largest: int = 9000) -> Iterator[bytes]:
    """Yield ``data`` in pieces of random size, some of them empty."""
    generator = random.Random(seed)
    start = 0
    while start < len(data):
        size = generator.choice((0, 1, 3, generator.randint(1, largest)))
        yield data[start : start + size]
        start += size


def _ffmpeg(*options: str, source: bytes) -> bytes:
    return subprocess.run(
        [binary(), "-hide_banner", "-loglevel", "error", *options],
        input=source,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    ).stdout
