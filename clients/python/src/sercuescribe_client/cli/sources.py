"""What is to be recorded: files and standard input, read piece by piece, never whole."""

import asyncio
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from sercuescribe_client.cli.wav_header import (
    LONGEST_HEADER_BYTES,
    WavFormat,
    may_be_wav,
    wav_format,
)

CHUNK_BYTES = 64 * 1024
_BEATS_PER_SECOND = 10
_STDIN = 0

_SAMPLE_BYTES = {"wav": 2, "pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1, "alaw": 1}


@dataclass(frozen=True, slots=True)
class Source:
    """Bytes to record, and what is known of them."""

    name: str
    size: int | None
    wav: WavFormat | None
    chunks: AsyncGenerator[bytes, None]


async def open_source(name: str) -> Source:
    """A file, or standard input where the name is a hyphen."""
    descriptor = _STDIN if name == "-" else os.open(name, os.O_RDONLY)
    status = os.fstat(descriptor)
    is_file = stat.S_ISREG(status.st_mode)
    chunks = _pieces(descriptor, is_file=is_file)
    head = await _head(chunks)
    return Source(
        name="standard input" if name == "-" else Path(name).name,
        size=status.st_size if is_file else None,
        wav=wav_format(head),
        chunks=_with_head(head, chunks),
    )


def bytes_per_second(source: Source, name: str, sample_rate: int, channels: int) -> int | None:
    """How fast the source would be heard; None where its bytes do not tell."""
    if source.wav is not None:
        return source.wav.bytes_per_second or None
    sample_bytes = _SAMPLE_BYTES.get(name)
    return sample_bytes and sample_bytes * sample_rate * channels


async def paced(chunks: AsyncIterator[bytes], per_second: int) -> AsyncIterator[bytes]:
    """The same bytes, ten times a second, as fast as they would be heard."""
    clock = asyncio.get_running_loop().time
    began, sent, beat = clock(), 0, max(per_second // _BEATS_PER_SECOND, 1)
    async for chunk in chunks:
        for start in range(0, len(chunk), beat):
            piece = chunk[start : start + beat]
            sent += len(piece)
            await asyncio.sleep(began + sent / per_second - clock())
            yield piece


async def _head(chunks: AsyncIterator[bytes]) -> bytes:
    """As much as tells whether it is a WAV, and of which format."""
    head = b""
    async for piece in chunks:
        head += piece
        is_told = wav_format(head) is not None or not may_be_wav(head)
        if is_told or len(head) >= LONGEST_HEADER_BYTES:
            break
    return head


async def _with_head(head: bytes, rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    if head:
        yield head
    async for chunk in rest:
        yield chunk


async def _pieces(descriptor: int, *, is_file: bool) -> AsyncIterator[bytes]:
    try:
        while True:
            if is_file:
                piece = await asyncio.to_thread(os.read, descriptor, CHUNK_BYTES)
            else:
                # A thread that waits for a pipe could not be told to end.
                await _readable(descriptor)
                piece = os.read(descriptor, CHUNK_BYTES)
            if not piece:
                return
            yield piece
    finally:
        if descriptor != _STDIN:
            os.close(descriptor)


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
