"""Audio in another format than it is kept in, made while it is sent: nothing is stored for it.

One ffmpeg, fed and read at the pace of whoever listens; it ends when they go away.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, NamedTuple

from api.audio.ffmpeg import command as ffmpeg
from api.audio.ffmpeg.process import Process
from storage.pcm import Buffer, PcmFormat

_BLOCK_BYTES = 64 * 1024


class Target(NamedTuple):
    media_type: str
    suffix: str
    arguments: tuple[str, ...]


# Without its table of contents, which would have to be written at the beginning at the end.
_MP3 = ("-c:a", "libmp3lame", "-q:a", "2", "-write_xing", "0", "-f", "mp3")

TARGETS = {
    "mp3": Target("audio/mpeg", "mp3", _MP3),
    "flac": Target("audio/flac", "flac", ("-c:a", "flac", "-f", "flac")),
    "opus": Target("audio/ogg", "opus", ("-c:a", "libopus", "-b:a", "96k", "-f", "ogg")),
}


class Converter:
    """Converts for a few at once; who comes after them waits."""

    def __init__(self, at_once: int = os.cpu_count() or 1) -> None:
        self._at_once = asyncio.Semaphore(at_once)
        self._ending: set[asyncio.Task[None]] = set()

    async def convert(
        self, pcm: AsyncIterator[Buffer], pcm_format: PcmFormat, target: Target
    ) -> AsyncGenerator[bytes, None]:
        """The bytes of ``target``'s format. Raises ``OSError`` where ffmpeg fails."""
        async with self._at_once:
            process = await Process.start(_command(pcm_format, target))
            feeding = asyncio.create_task(_feed(process, pcm), name="conversion-feed")
            complaining = asyncio.create_task(process.stderr.read(), name="conversion-errors")
            try:
                while block := await process.stdout.read(_BLOCK_BYTES):
                    yield block
                await feeding
                if await process.wait():
                    raise OSError((await complaining).decode(errors="replace"))
            finally:
                # In a task of its own: who is cancelled may wait for nothing any more.
                ending = asyncio.create_task(_end(process, feeding, complaining))
                self._ending.add(ending)
                ending.add_done_callback(self._ending.discard)
                await asyncio.shield(ending)


async def _end(process: Process, *tasks: asyncio.Task[Any]) -> None:
    process.kill()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await process.wait()
    await process.close()


async def _feed(process: Process, pcm: AsyncIterator[Buffer]) -> None:
    with contextlib.suppress(ConnectionError):  # ffmpeg ended: its exit code says why
        async for block in pcm:
            process.stdin.write(block)
            await process.stdin.drain()
    process.stdin.close()


def _command(pcm_format: PcmFormat, target: Target) -> tuple[str, ...]:
    return (
        *ffmpeg.sandbox().command, ffmpeg.binary(),
        "-hide_banner", "-nostdin", "-nostats", "-loglevel", "error",
        "-protocol_whitelist", "pipe,fd", "-threads", "1",
        "-f", "s16le", "-ar", str(pcm_format.sample_rate),
        "-ac", str(pcm_format.channels), "-i", "pipe:0",
        *target.arguments, "-threads", "1", "pipe:1",
    )  # fmt: skip
