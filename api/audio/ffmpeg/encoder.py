"""Conversion of a download to another format while it is sent; nothing is stored.

Each conversion runs one ffmpeg process at the speed at which the client reads. The process is
killed when the client disconnects.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator
from typing import NamedTuple

from api.audio.ffmpeg import command as ffmpeg
from api.audio.ffmpeg.process import Process
from api.fair_slots import FairSlots
from storage.pcm import Buffer, PcmFormat

_BLOCK_BYTES = 64 * 1024

# Processes for each conversion that may use the CPU. The others wait: for their client, or for CPU.
_PROCESSES_PER_CPU = 8

_STALL_SECONDS = 60.0  # longer than a slow bucket takes for the next block of audio


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
    """Runs conversions; only ``at_once`` of them use the CPU at the same time.

    ffmpeg works while its output is read, and stops when the pipe is full: so a client that does
    not read uses no CPU. One caller has at most a quarter of the processes.
    """

    def __init__(
        self, at_once: int = os.cpu_count() or 1, *, stall_seconds: float = _STALL_SECONDS
    ) -> None:
        processes = _PROCESSES_PER_CPU * at_once
        self._processes = FairSlots(limit=processes, per_caller=max(1, processes // 4))
        self._working = asyncio.Semaphore(at_once)
        self._stall_seconds = stall_seconds

    async def convert(
        self,
        pcm: AsyncGenerator[Buffer, None],
        pcm_format: PcmFormat,
        target: Target,
        *,
        caller: str = "",
    ) -> AsyncGenerator[bytes, None]:
        """Yield ``pcm`` in the format of ``target``. Raises ``OSError`` if ffmpeg fails.

        The process ends with the generator, whether it is exhausted, closed or cancelled.
        """
        async with contextlib.aclosing(pcm), self._processes.hold(caller):
            process = await Process.start(_command(pcm_format, target))
            feeding = asyncio.create_task(_feed(process, pcm), name="conversion-feed")
            reading_errors = asyncio.create_task(process.stderr.read(), name="conversion-errors")
            try:
                while block := await self._read(process):
                    yield block
                await feeding
                if await process.wait():
                    raise OSError((await reading_errors).decode(errors="replace"))
            finally:
                # First what needs no `await`: in a cancelled scope every `await` is cancelled.
                process.terminate()
                feeding.cancel()
                reading_errors.cancel()
                await asyncio.gather(feeding, reading_errors, return_exceptions=True)
                await process.end()

    async def _read(self, process: Process) -> bytes:
        async with self._working:
            try:
                async with asyncio.timeout(self._stall_seconds):
                    return await process.stdout.read(_BLOCK_BYTES)
            except TimeoutError as error:
                raise OSError(
                    f"ffmpeg wrote nothing for {self._stall_seconds:g} seconds"
                ) from error


async def _feed(process: Process, pcm: AsyncGenerator[Buffer, None]) -> None:
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
