"""One ffmpeg process that decodes one input stream.

The decoder writes the input to one pipe while a task reads the PCM from another. The writer waits
if the pipe into ffmpeg is full, which slows down the socket. ffmpeg does not probe the input (the
format is known), so it outputs audio after the first frame.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from api.audio.ffmpeg.error_log import ErrorLog, no_audio
from api.audio.ffmpeg.process import Process
from api.audio.formats import DecodeError
from storage.pcm import Buffer

logger = logging.getLogger(__name__)

_READ_BYTES = 256 * 1024
_STALL_SECONDS = 30.0

_LINE_BYTES = 4096

# Exit codes that the input does not cause: the command could not be executed (126, 127: see
# env(1)), or ffmpeg handled a signal (255).
_EXTERNAL_EXIT_CODES = {126, 127, 255}

_MAX_LOGGED_LINES = 20

Emit = Callable[[Buffer], Awaitable[None]]


class DecoderLostError(Exception):
    """ffmpeg was killed or crashed. The input may not be the cause, so decoding is retried once."""


class FfmpegDecoder:
    """Writes input to ffmpeg and passes its PCM, in whole frames, to ``emit``."""

    def __init__(self, process: Process, what: str, frame_bytes: int, emit: Emit) -> None:
        """Start reading; ``what`` is the name of the format, for error messages."""
        self._what = what
        self._errors = ErrorLog(what)
        self._process = process
        self._stdin = process.stdin
        self._frame_bytes = frame_bytes
        self._emit = emit
        self.started = asyncio.Event()  # it has output PCM, or has ended
        self._lines_to_log = _MAX_LOGGED_LINES
        self._emitted_bytes = 0
        self._stdout_task = asyncio.create_task(self._read_stdout(), name="ffmpeg-pcm")
        self._stderr_task = asyncio.create_task(self._read_stderr(), name="ffmpeg-stderr")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def damage(self) -> DecodeError | None:
        """Return the first error that ffmpeg reported; it may have continued after it."""
        return self._errors.first

    async def feed(self, data: Buffer) -> None:
        """Write ``data`` to ffmpeg; wait while the pipe is full.

        Raises :class:`DecodeError`, :class:`DecoderLostError`, or what ``emit`` raised.
        """
        # uvloop accepts no writes after it has noticed that the reading end is closed.
        if self._stdout_task.done() or self._stdin.transport.is_closing():
            raise await self._end_reason()
        try:
            self._stdin.write(data)
            await self._stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise await self._end_reason() from error

    async def finish(self) -> None:
        """End the input; return after all PCM was emitted. Raises as :meth:`feed` does."""
        self._stdin.close()
        try:
            emitted_bytes = -1
            while not self._stdout_task.done():
                if emitted_bytes == self._emitted_bytes:
                    raise DecodeError(f"ffmpeg gave no output for {_STALL_SECONDS:g} seconds")
                emitted_bytes = self._emitted_bytes
                await asyncio.wait([self._stdout_task], timeout=_STALL_SECONDS)
            self._stdout_task.result()
            await self._process.wait()  # after the end of its output it exits
            if self._process.returncode:
                raise await self._failure()
        finally:
            await self.kill()
        if self.damage is not None:  # ffmpeg continued after the damage and exited with 0
            raise self.damage
        if not self._emitted_bytes:
            raise no_audio(self._what)

    async def kill(self) -> None:
        """Kill the process if it still runs; end its tasks and close its pipes."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        self._stdout_task.cancel()
        await asyncio.gather(self._stdout_task, return_exceptions=True)
        while await self._process.stdout.read(_READ_BYTES):
            pass  # wait() does not return while the pipe has unread data
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
            # No task reads the pipe any more, so a writer in `feed` would wait forever.
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
        text = line.decode(errors="replace").strip()
        self._errors.read(text)
        if text and self._lines_to_log:
            self._lines_to_log -= 1
            logger.info("ffmpeg pid=%d: %s", self._process.pid, text)

    async def _end_reason(self) -> Exception:
        """Return why ffmpeg accepts no more input; raise the error of ``emit`` if that is why."""
        await asyncio.wait([self._stdout_task], timeout=_STALL_SECONDS)
        if self._stdout_task.done():
            self._stdout_task.result()
        return await self._failure()

    async def _failure(self) -> Exception:
        """Return the error for a process that has failed: its fault, or the fault of the input."""
        await asyncio.wait([self._stderr_task], timeout=1)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._process.wait()
        code = self._process.returncode
        if code is not None and (code < 0 or code in _EXTERNAL_EXIT_CODES):
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            return DecoderLostError(f"ffmpeg was terminated: {how}")
        return self.damage or DecodeError(f"ffmpeg exited before the end of the {self._what}")
