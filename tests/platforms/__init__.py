"""Encoders of our own for what telephone and voice platforms send, after their documentation."""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np

Message = str | bytes


def decode_mulaw(codes: bytes) -> bytes:
    """Return the 16-bit samples of G.711 µ-law."""
    inverted = ~np.frombuffer(codes, np.uint8) & 0xFF
    magnitude = (((inverted & 0x0F).astype(int) << 3) + 0x84) << ((inverted & 0x70) >> 4)
    return np.where(inverted & 0x80, 0x84 - magnitude, magnitude - 0x84).astype("<i2").tobytes()


def interleave(left: bytes, right: bytes) -> bytes:
    """Return stereo PCM of two mono ones of the same length."""
    sides = [np.frombuffer(side, "<i2") for side in (left, right)]
    return np.stack(sides, axis=1).tobytes()


def tone(frames: int, sample_rate: int, *, amplitude: int = 8000) -> bytes:
    """Return a tone of 440 Hz as PCM, little endian."""
    angles = np.arange(frames) * 2 * np.pi * 440 / sample_rate
    return (amplitude * np.sin(angles)).astype("<i2").tobytes()


def cut(audio: bytes, size: int) -> Iterator[bytes]:
    return (audio[at : at + size] for at in range(0, len(audio), size))


def by_turns(*tracks: Iterable[str]) -> list[str]:
    """Return the messages of several tracks as a platform sends them: one of each in turn."""
    turns = itertools.zip_longest(*tracks)
    return [message for turn in turns for message in turn if message is not None]
