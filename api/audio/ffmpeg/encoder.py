"""Conversion of a download to another format while it is sent; nothing is stored.

Each conversion runs one ffmpeg process at the speed at which the client reads. The process is
killed when the client disconnects.
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


# No Xing header: ffmpeg would have to seek back and write it at the end.
_MP3 = ("-c:a", "libmp3lame", "-q:a", "2", "-write_xing", "0", "-f", "mp3")

TARGETS = {
    "mp3": Target("audio/mpeg", "mp3", _MP3),
    "flac": Target("audio/flac", "flac", ("-c:a", "flac", "-f", "flac")),
    "opus": Target("audio/ogg", "opus", ("-c:a", "libopus", "-b:a", "96k", "-f", "ogg")),
}


class Converter:
    """Runs at most ``at_once`` conversions at the same time; further ones wait."""

    def __init__(self, at_once: int = os.cpu_count() or 1) -> None:
        self._at_once = asyncio.Semaphore(at_once)
        self._ending: set[asyncio.Task[None]] = set()

    async def convert(
        self, pcm: AsyncIterator[Buffer], pcm_format: PcmFormat, target: Target
    ) -> AsyncGenerator[bytes, None]:
        """Yield ``pcm`` in the format of ``target``. Raises ``OSError`` if ffmpeg fails."""
        async with self._at_once:
            process = await Process.start(_command(pcm_format, target))
            feeding = asyncio.create_task(_feed(process, pcm), name="conversion-feed")
            reading_errors = asyncio.create_task(process.stderr.read(), name="conversion-errors")
            try:
                while block := await process.stdout.read(_BLOCK_BYTES):
                    yield block
                await feeding
                if await process.wait():
                    raise OSError((await reading_errors).decode(errors="replace"))
            finally:
                # In a separate task, because a cancelled task cannot wait for the process to end.
                ending = asyncio.create_task(_end(process, feeding, reading_errors))
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
    with contextlib.suppress(ConnectionError):  # ffmpeg exited; `convert` checks the exit code
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
