"""The audio to record: files and standard input, read in chunks."""

import asyncio
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from sercuescribe_client.cli.file_type import HEAD_BYTES, is_recognised
from sercuescribe_client.cli.wav_header import (
    MAX_HEADER_BYTES,
    WavFormat,
    may_be_wav,
    parse_wav_format,
)

CHUNK_BYTES = 64 * 1024
_MAX_TITLE_CHARACTERS = 200  # that the service accepts
_STDIN = 0

_SAMPLE_BYTES = {"wav": 2, "pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1, "alaw": 1}


class NotAudioError(Exception):
    """A file has no bytes, or its first ones are those of no known format."""


@dataclass(frozen=True, slots=True)
class AudioSource:
    """Bytes to record, their name, their length if known, and the format of a WAV."""

    name: str
    size_bytes: int | None
    wav: WavFormat | None
    chunks: AsyncGenerator[bytes, None]
    is_recognised: bool = False  # by its first bytes
    title: str | None = None  # that the service accepts; None if it is no file


async def open_source(name: str) -> AudioSource:
    """Open a file, or standard input if the name is a hyphen.

    Raises ``OSError``, and ``NotAudioError`` if there is not a single byte.
    """
    descriptor = _STDIN if name == "-" else os.open(name, os.O_RDONLY)
    status = os.fstat(descriptor)
    chunks = _read_chunks(descriptor, is_awaitable=_is_awaitable(descriptor, status.st_mode))
    # Standard input may be a microphone, whose first bytes must not wait for more.
    header = await _read_header(chunks, at_least=0 if name == "-" else HEAD_BYTES)
    if not header:
        raise NotAudioError("empty, so nothing is recorded")
    return AudioSource(
        name=shown_name(name),
        size_bytes=status.st_size if stat.S_ISREG(status.st_mode) else None,
        wav=parse_wav_format(header),
        is_recognised=is_recognised(header),
        title=None if name == "-" else _title(Path(name).name),
        chunks=_prepend(header, chunks),
    )


def bytes_per_second(source: AudioSource, name: str, sample_rate: int, channels: int) -> int | None:
    """Return the bytes of one second of audio; None if the format does not tell."""
    if source.wav is not None:
        return source.wav.bytes_per_second or None
    sample_bytes = _SAMPLE_BYTES.get(name)
    return sample_bytes and sample_bytes * sample_rate * channels


def shown_name(name: str) -> str:
    """Return the name without its folder."""
    return "standard input" if name == "-" else Path(name).name


def _title(file_name: str) -> str | None:
    """Return the name as a title: without what the service does not accept in one."""
    printable = "".join(each if each.isprintable() else " " for each in file_name)
    return printable[:_MAX_TITLE_CHARACTERS].strip() or None


async def _read_header(chunks: AsyncIterator[bytes], *, at_least: int) -> bytes:
    """Return the first bytes: ``at_least`` so many, and enough to find the format of a WAV."""
    header = b""
    async for chunk in chunks:
        header += chunk
        is_known = parse_wav_format(header) is not None or not may_be_wav(header)
        if (is_known and len(header) >= at_least) or len(header) >= MAX_HEADER_BYTES:
            break
    return header


async def _prepend(header: bytes, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    if header:
        yield header
    async for chunk in chunks:
        yield chunk


def _is_awaitable(descriptor: int, mode: int) -> bool:
    """Return whether the event loop can wait for input: not for files and devices (epoll(7))."""
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)


async def _read_chunks(descriptor: int, *, is_awaitable: bool) -> AsyncIterator[bytes]:
    try:
        while True:
            if is_awaitable:
                # A thread that waits for a pipe cannot be cancelled.
                await _wait_readable(descriptor)
                chunk = os.read(descriptor, CHUNK_BYTES)
            else:
                chunk = await asyncio.to_thread(os.read, descriptor, CHUNK_BYTES)
            if not chunk:
                return
            yield chunk
    finally:
        if descriptor != _STDIN:
            os.close(descriptor)


async def _wait_readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
