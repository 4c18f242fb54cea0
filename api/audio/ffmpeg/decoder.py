"""One ffmpeg process that decodes one input stream for as long as it lives.

Bytes go in through one pipe and PCM comes out of another, both at once: a task
reads whatever ffmpeg has ready while the writer waits only when the pipe into
ffmpeg is full, which in turn slows down the socket. Nothing is probed (the
format is known), so the first audio comes out with the first frame.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable

from api.audio.ffmpeg.process import Process
from api.audio.formats import DecodeError
from storage.pcm import Buffer

logger = logging.getLogger(__name__)

_READ_BYTES = 256 * 1024
_STALL_SECONDS = 30.0

# "[in#0/flac @ 0x5581e0c0b2c0] [error] invalid sync code": who speaks does not matter. That
# the pictures of a film are not decoded is no damage; where it is the audio, more is said.
_ERROR_LINE = re.compile(
    r"(?:\[[^]]*\] )*\[(?:error|fatal|panic)\] (?!Codec \(\w+\) not on whitelist)(.*)"
)
_LINE_BYTES = 4096

# It could not be executed (126, 127: see env(1)), or a signal ended it in order.
_NOT_BY_INPUT = {126, 127, 255}

_MAX_LOGGED_LINES = 20

Emit = Callable[[Buffer], Awaitable[None]]


class DecoderLostError(Exception):
    """ffmpeg was killed from outside, or crashed: the input is not to blame, at least not yet."""


class FfmpegDecoder:
    """Feeds ffmpeg and hands its PCM, in whole frames, to ``emit``."""

    def __init__(self, process: Process, frame_bytes: int, emit: Emit) -> None:
        self._process = process
        self._stdin = process.stdin
        self._frame_bytes = frame_bytes
        self._emit = emit
        self.started = asyncio.Event()  # it has decoded something, or ended
        self._first_error = ""
        self._lines_to_log = _MAX_LOGGED_LINES
        self._emitted_bytes = 0
        self._stdout_task = asyncio.create_task(self._read_stdout(), name="ffmpeg-pcm")
        self._stderr_task = asyncio.create_task(self._read_stderr(), name="ffmpeg-stderr")

    @property
    def pid(self) -> int:
        return self._process.pid

    async def feed(self, data: Buffer) -> None:
        """Hand ``data`` to ffmpeg, waiting while it has more than it can take.

        Raises :class:`DecodeError`, :class:`DecoderLostError`, or what ``emit`` raised.
        """
        # uvloop lets nobody write once it has seen the other end closed.
        if self._stdout_task.done() or self._stdin.transport.is_closing():
            raise await self._end_reason()
        try:
            self._stdin.write(data)
            await self._stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise await self._end_reason() from error

    async def finish(self) -> None:
        """End the input and return when all its audio was emitted. Raises as :meth:`feed` does."""
        self._stdin.close()
        try:
            emitted_bytes = -1
            while not self._stdout_task.done():
                if emitted_bytes == self._emitted_bytes:
                    raise DecodeError(f"ffmpeg stood still for {_STALL_SECONDS:g} seconds")
                emitted_bytes = self._emitted_bytes
                await asyncio.wait([self._stdout_task], timeout=_STALL_SECONDS)
            self._stdout_task.result()
            await self._process.wait()  # its output has ended, and so does it
            if self._process.returncode:
                raise await self._failure()
        finally:
            await self.kill()
        if self._first_error:  # it went on behind the damage, and says that all is well
            raise DecodeError(self._first_error)
        if not self._emitted_bytes:
            raise DecodeError("ffmpeg found no audio")

    async def kill(self) -> None:
        """End the process, if it still runs, and all that belongs to it."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        self._stdout_task.cancel()
        await asyncio.gather(self._stdout_task, return_exceptions=True)
        while await self._process.stdout.read(_READ_BYTES):
            pass  # a pipe that nobody empties would keep wait() from returning
        await self._process.wait()
        await self._stderr_task
        await self._process.close()

    async def _read_stdout(self) -> None:
        pending = b""
        try:
            while block := await self._process.stdout.read(_READ_BYTES):
                data = pending + block if pending else block
                rest = len(data) % self._frame_bytes
                pending = data[len(data) - rest :]
                self.started.set()
                await self._emit(memoryview(data)[: len(data) - rest])
                self._emitted_bytes += len(data) - rest
        except Exception:
            # Nobody empties the pipe any more: whoever feeds must not wait for that.
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            raise
        finally:
            self.started.set()

    async def _read_stderr(self) -> None:
        rest = b""
        while block := await self._process.stderr.read(_READ_BYTES):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                self._read_line(line)
            rest = rest[-_LINE_BYTES:]
        self._read_line(rest)

    def _read_line(self, line: bytes) -> None:
        """Keep the first error, which is the cause; the others are its consequences."""
        text = line.decode(errors="replace").strip()
        if not self._first_error and (error_line := _ERROR_LINE.match(text)):
            self._first_error = error_line[1]
        if text and self._lines_to_log:
            self._lines_to_log -= 1
            logger.info("ffmpeg, process %d: %s", self._process.pid, text)

    async def _end_reason(self) -> Exception:
        """Why it takes no more. What stopped the reading was perhaps not ffmpeg: that it raises."""
        await asyncio.wait([self._stdout_task], timeout=_STALL_SECONDS)
        if self._stdout_task.done():
            self._stdout_task.result()
        return await self._failure()

    async def _failure(self) -> Exception:
        await asyncio.wait([self._stderr_task], timeout=1)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._process.wait()
        code = self._process.returncode
        if code is not None and (code < 0 or code in _NOT_BY_INPUT):
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            return DecoderLostError(f"ffmpeg was ended by {how}")
        return DecodeError(self._first_error or "ffmpeg ended before its input did")
