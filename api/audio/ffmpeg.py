"""One ffmpeg process that decodes one input stream for as long as it lives.

Bytes go in through one pipe and PCM comes out of another, both at once: a task
reads whatever ffmpeg has ready while the writer waits only when the pipe into
ffmpeg is full, which in turn slows down the socket. Nothing is probed (the
format is known), so the first audio comes out with the first frame.
"""

import asyncio
import contextlib
import functools
import re
import shutil
from collections.abc import Awaitable, Callable

import imageio_ffmpeg

from api.errors import DecodeError
from storage.base import Buffer
from storage.wav import PcmFormat

_READ_BYTES = 256 * 1024
_STDERR_BYTES = 4096
_STALL_SECONDS = 30.0

# "[in#0/flac @ 0x5581e0c0b2c0] " says nothing to whoever sent the audio.
_SPEAKER = re.compile(r"^(\[[^]]*\] *)+")

Emit = Callable[[Buffer], Awaitable[None]]


@functools.cache
def binary() -> str:
    """The system's ffmpeg, else the one that came with ``imageio-ffmpeg``."""
    return shutil.which("ffmpeg") or str(imageio_ffmpeg.get_ffmpeg_exe())


def arguments(
    input_options: tuple[str, ...], pcm_format: PcmFormat, loglevel: str
) -> tuple[str, ...]:
    """Ffmpeg's command line for a live decode from stdin to stdout.

    ``-fflags nobuffer`` and ``-avioflags direct`` look tempting here and lose audio: the
    first drops what was read while probing, the second breaks on short reads from a pipe.
    """
    return (
        "-hide_banner", "-nostdin", "-nostats", "-loglevel", loglevel,
        "-probesize", "32", "-analyzeduration", "0",
        "-protocol_whitelist", "pipe,fd", "-threads", "1", "-filter_threads", "1",
        *input_options, "-i", "pipe:0",
        "-map", "0:a:0", "-f", "s16le",
        "-ar", str(pcm_format.sample_rate), "-ac", str(pcm_format.channels),
        "-flush_packets", "1", "-threads", "1", "pipe:1",
    )  # fmt: skip


class DecoderLostError(Exception):
    """ffmpeg was killed from outside, or crashed: the input is not to blame, at least not yet."""


class FfmpegDecoder:
    """Feeds ffmpeg and hands its PCM, in whole frames, to ``emit``."""

    def __init__(self, process: asyncio.subprocess.Process, frame_bytes: int, emit: Emit) -> None:
        assert process.stdin is not None
        self._process = process
        self._stdin = process.stdin
        self._frame_bytes = frame_bytes
        self._emit = emit
        self._stderr = b""
        self._emitted_bytes = 0
        self._reading = asyncio.create_task(self._read(), name="ffmpeg-pcm")
        self._listening = asyncio.create_task(self._listen(), name="ffmpeg-stderr")

    @classmethod
    async def start(
        cls, input_options: tuple[str, ...], pcm_format: PcmFormat, loglevel: str, emit: Emit
    ) -> "FfmpegDecoder":
        """Raises ``OSError`` where no process can be started."""
        process = await asyncio.create_subprocess_exec(
            binary(),
            *arguments(input_options, pcm_format, loglevel),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_READ_BYTES,
        )
        return cls(process, pcm_format.frame_bytes, emit)

    async def feed(self, data: Buffer) -> None:
        """Hand ``data`` to ffmpeg, waiting while it has more than it can take.

        Raises :class:`DecodeError`, :class:`DecoderLostError`, or what ``emit`` raised.
        """
        if self._reading.done():
            self._reading.result()  # what stopped the reading was perhaps not ffmpeg
            raise await self._failure()
        try:
            self._stdin.write(data)
            await self._stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            await asyncio.wait([self._reading], timeout=_STALL_SECONDS)
            if self._reading.done():
                self._reading.result()
            raise await self._failure() from error

    async def finish(self) -> None:
        """End the input and return when all its audio was emitted. Raises as :meth:`feed` does."""
        self._stdin.close()
        try:
            emitted_bytes = -1
            while not self._reading.done():
                if emitted_bytes == self._emitted_bytes:
                    raise DecodeError(f"ffmpeg stood still for {_STALL_SECONDS:g} seconds")
                emitted_bytes = self._emitted_bytes
                await asyncio.wait([self._reading], timeout=_STALL_SECONDS)
            self._reading.result()
            await self._process.wait()  # its output has ended, and so does it
            if self._process.returncode:
                raise await self._failure()
        finally:
            await self.kill()
        if not self._emitted_bytes:
            raise DecodeError("ffmpeg found no audio")

    async def kill(self) -> None:
        """End the process, if it still runs, and all that belongs to it."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        assert self._process.stdout is not None
        while await self._process.stdout.read(_READ_BYTES):
            pass  # a pipe that nobody empties would keep wait() from returning
        await self._process.wait()
        await self._listening

    async def _read(self) -> None:
        assert self._process.stdout is not None
        pending = b""
        try:
            while block := await self._process.stdout.read(_READ_BYTES):
                data = pending + block if pending else block
                rest = len(data) % self._frame_bytes
                pending = data[len(data) - rest :]
                await self._emit(memoryview(data)[: len(data) - rest])
                self._emitted_bytes += len(data) - rest
        except Exception:
            # Nobody empties the pipe any more: whoever feeds must not wait for that.
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            raise

    async def _listen(self) -> None:
        assert self._process.stderr is not None
        while block := await self._process.stderr.read(_STDERR_BYTES):
            self._stderr += block[: _STDERR_BYTES - len(self._stderr)]

    async def _failure(self) -> Exception:
        await asyncio.wait([self._listening], timeout=1)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._process.wait()
        code = self._process.returncode
        if code is not None and code < 0:
            return DecoderLostError(f"ffmpeg was ended by signal {-code}")
        lines = self._stderr.decode(errors="replace").strip().splitlines()
        # The first line is the cause, what follows are its consequences.
        cause = _SPEAKER.sub("", lines[0]) if lines else "ffmpeg ended before its input did"
        return DecodeError(cause)
