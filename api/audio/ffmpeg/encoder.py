"""Conversion of a download to another format while it is sent; nothing is stored.

Each conversion runs one ffmpeg process at the speed at which the client reads. The process is
killed when the client disconnects.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Callable
from typing import NamedTuple

from api.audio.ffmpeg import command as ffmpeg
from api.audio.ffmpeg.mp3 import Mp3
from api.audio.ffmpeg.process import Process
from api.fair_slots import FairSlots
from storage.pcm import Buffer, PcmFormat

_OPUS_RATE = 48_000  # of every Opus stream, whatever the rate of its source


_HEAD_BYTES = 42  # `fLaC` and STREAMINFO, the longest head that is changed


class Encoding(NamedTuple):
    """How ffmpeg encodes a recording of a known length, and what it cannot write to a pipe.

    ffmpeg writes the length of a file last, by seeking back to its head.
    """

    arguments: tuple[str, ...]
    size_bytes: int | None = None  # None: known only in the end
    with_length: Callable[[bytes], bytes] = bytes  # completes the head of the file


# Processes for each conversion that may use the CPU. The others wait: for their client, or for CPU.
_PROCESSES_PER_CPU = 8

_STALL_SECONDS = 60.0  # longer than a slow bucket takes for the next block of audio


class Target(NamedTuple):
    """A format; ``encoding`` takes the format of the PCM and its frames."""

    media_type: str
    suffix: str
    encoding: Callable[[PcmFormat, int], Encoding]


def _mp3(pcm_format: PcmFormat, frames: int) -> Encoding:
    mp3 = Mp3.of(pcm_format.sample_rate, pcm_format.channels, frames)
    arguments = (
        *_resampling(pcm_format, mp3.sample_rate, mp3.samples),
        "-c:a", "libmp3lame", "-b:a", f"{mp3.kbits}k",
        "-write_xing", "0", "-id3v2_version", "0", "-f", "mp3",
    )  # fmt: skip
    return Encoding(
        arguments,
        mp3.size_bytes,
        lambda head: mp3.info_frame(head[:4]) + head if head else head,
    )


def _flac(_: PcmFormat, frames: int) -> Encoding:
    def with_length(head: bytes) -> bytes:
        """Set the total samples in STREAMINFO (RFC 9639, section 8.2): 36 bits, 0: unknown."""
        at = 18
        value = int.from_bytes(head[at : at + 8]) | (frames if frames < 1 << 36 else 0)
        return head[:at] + value.to_bytes(8) + head[at + 8 :]

    # With the frame size of the first input, ffmpeg cannot encode fewer than 16 samples.
    arguments = ("-c:a", "flac", "-frame_size", "4608", "-f", "flac")
    return Encoding(arguments, with_length=with_length)


def _opus(pcm_format: PcmFormat, frames: int) -> Encoding:
    """Return the encoding; ffmpeg writes the exact end into the last page (RFC 7845, 4.4)."""
    samples = -(-frames * _OPUS_RATE // pcm_format.sample_rate)
    resampling = _resampling(pcm_format, _OPUS_RATE, samples)
    return Encoding((*resampling, "-c:a", "libopus", "-b:a", "96k", "-f", "ogg"))


def _resampling(pcm_format: PcmFormat, sample_rate: int, samples: int) -> tuple[str, ...]:
    """Return the filter that resamples to exactly ``samples``, which the resampler may miss."""
    if pcm_format.sample_rate == sample_rate:
        return ()
    length = f"apad=whole_len={samples},atrim=end_sample={samples}"
    return ("-filter:a", f"aresample={sample_rate},{length}")


TARGETS = {
    "mp3": Target("audio/mpeg", "mp3", _mp3),
    "flac": Target("audio/flac", "flac", _flac),
    "opus": Target("audio/ogg", "opus", _opus),
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
        encoding: Encoding,
        *,
        caller: str = "",
    ) -> AsyncGenerator[bytes, None]:
        """Yield ``pcm`` as ``encoding`` encodes it. Raises ``OSError`` if ffmpeg fails.

        The process ends with the generator, whether it is exhausted, closed or cancelled.
        """
        async with contextlib.aclosing(pcm), self._processes.hold(caller):
            process = await Process.start(_command(pcm_format, encoding))
            feeding = asyncio.create_task(_feed(process, pcm), name="conversion-feed")
            reading_errors = asyncio.create_task(process.stderr.read(), name="conversion-errors")
            try:
                yield encoding.with_length(await self._read_head(process))
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

    async def _read_head(self, process: Process) -> bytes:
        """Return the first bytes, at least `_HEAD_BYTES`, or fewer if the file is shorter."""
        head = b""
        while len(head) < _HEAD_BYTES and (block := await self._read(process)):
            head += block
        return head

    async def _read(self, process: Process) -> bytes:
        async with self._working:
            try:
                async with asyncio.timeout(self._stall_seconds):
                    return await process.stdout.read()
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


def _command(pcm_format: PcmFormat, encoding: Encoding) -> tuple[str, ...]:
    return (
        *ffmpeg.sandbox().command, ffmpeg.binary(),
        "-hide_banner", "-nostdin", "-nostats", "-loglevel", "error",
        "-protocol_whitelist", "pipe,fd", "-threads", "1",
        "-f", "s16le", "-ar", str(pcm_format.sample_rate),
        "-ac", str(pcm_format.channels), "-i", "pipe:0",
        *encoding.arguments, "-threads", "1", "pipe:1",
    )  # fmt: skip
