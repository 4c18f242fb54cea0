"""One ffmpeg process that decodes one input stream.

The decoder writes the input to one pipe while a task reads the PCM from another. The writer waits
if the pipe into ffmpeg is full, which slows down the socket. ffmpeg does not probe the input (the
format is known), so it outputs audio after the first frame. An ffmpeg that neither reads nor
writes, while the decoder waits for it, hangs and is killed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator

from api.audio.ffmpeg.error_log import ErrorLog, no_audio
from api.audio.ffmpeg.process import Process
from api.audio.formats import DecodeError, DecoderLostError
from storage.pcm import Buffer

logger = logging.getLogger(__name__)

_READ_BYTES = 256 * 1024

# An ffmpeg at lower priority on an overloaded machine is slow, but not for so long.
STALL_SECONDS = 15.0

# The first check after the service was stopped, or got no CPU, comes before the event loop has read
# what ffmpeg wrote meanwhile.
_CHECKS_PER_STALL = 2

_LINE_BYTES = 4096

# Exit codes that the input does not cause: the command could not be executed (126, 127: see
# env(1)), or ffmpeg handled a signal (255).
_EXTERNAL_EXIT_CODES = {126, 127, 255}

_MAX_LOGGED_LINES = 20

Emit = Callable[[Buffer], Awaitable[None]]
EmitNow = Callable[[Buffer], bool]


class FfmpegDecoder:
    """Writes input to ffmpeg and passes its PCM, in whole frames, to ``emit``.

    Before that, ``emit_now`` gets it, and does the same if nothing has to be awaited; if it returns
    False, nothing has changed.
    """

    def __init__(
        self,
        process: Process,
        what: str,
        frame_bytes: int,
        emit: Emit,
        *,
        emit_now: EmitNow | None = None,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        """Start reading; ``what`` is the name of the format, for error messages."""
        self._what = what
        self._errors = ErrorLog(what)
        self._process = process
        self._stall_seconds = stall_seconds
        self._loop = asyncio.get_running_loop()
        self._stall_timer: asyncio.TimerHandle | None = None
        self._is_emitting = False  # ffmpeg waits for the storage, not the other way round
        self._has_progressed = False  # since the timer was started
        self._unread_bytes = 0  # of the input, when the timer was started
        self._checks_without_progress = 0
        self._is_stalled = False
        self._stdin, self._stdout = process.stdin, process.stdout
        self._frame_bytes = frame_bytes
        self._emit, self._emit_now = emit, emit_now
        self._pending = b""  # an incomplete frame
        self.started = asyncio.Event()  # it has output PCM, or has ended
        self._lines_to_log = _MAX_LOGGED_LINES
        self._emitted_bytes = 0
        self._has_exited = False
        self._stdout.take_now = self._take_now
        self._stdout_task = asyncio.create_task(self._read_stdout(), name="ffmpeg-pcm")
        self._stderr_task = asyncio.create_task(self._read_stderr(), name="ffmpeg-stderr")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def damage(self) -> DecodeError | None:
        """Return the first error that ffmpeg reported; it may have continued after it."""
        return self._errors.first

    @property
    def has_ended_early(self) -> bool:
        """Return whether ffmpeg has exited because of its input, after it had output audio."""
        return self._has_exited and self._emitted_bytes > 0

    async def feed(self, data: Buffer) -> None:
        """Write ``data`` to ffmpeg; wait while the pipe is full.

        Raises :class:`DecodeError`, :class:`DecoderLostError`, or what ``emit`` raised.
        """
        # uvloop accepts no writes after it has noticed that the reading end is closed.
        if self._stdout_task.done() or self._stdin.transport.is_closing():
            raise await self._end_reason()
        try:
            with self._detect_stall():
                self._stdin.write(data)
                await self._stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise await self._end_reason() from error

    def feed_now(self, data: Buffer) -> bool:
        """Write ``data`` if ffmpeg has read all before it; on False, call :meth:`feed`."""
        if self._stdout_task.done() or self._stdin.transport.is_closing():
            return False
        if self._stdin.transport.get_write_buffer_size():
            return False
        self._stdin.write(data)
        self._stdout.gather()
        return True

    async def finish(self) -> None:
        """End the input; return after all PCM was emitted. Raises as :meth:`feed` does."""
        self._stdin.close()
        try:
            with self._detect_stall():
                await asyncio.wait([self._stdout_task])
                self._check_output()
                await self._process.wait()  # after the end of its output it exits
            if self._process.returncode:
                raise await self._failure()
            await asyncio.wait([self._stderr_task], timeout=self._stall_seconds)
        finally:
            await self.kill()
        if self.damage is not None:  # ffmpeg continued after the damage and exited with 0
            raise self.damage
        if not self._emitted_bytes:
            raise no_audio(self._what)

    async def kill(self) -> None:
        """Kill the process if it still runs; end its tasks and close its pipes.

        Nothing of it depends on an `await`, which the caller's cancellation would end.
        """
        for task in (self._stdout_task, self._stderr_task):
            task.cancel()
        self._process.terminate()
        await asyncio.gather(self._stdout_task, self._stderr_task, return_exceptions=True)
        await self._process.end()

    @contextlib.contextmanager
    def _detect_stall(self) -> Iterator[None]:
        """Kill ffmpeg if it makes no progress for the time limit while the caller waits for it."""
        self._start_stall_timer()
        try:
            yield
        finally:
            if self._stall_timer is not None:
                self._stall_timer.cancel()
                self._stall_timer = None

    def _start_stall_timer(self) -> None:
        self._has_progressed = False
        self._unread_bytes = self._stdin.transport.get_write_buffer_size()
        self._checks_without_progress = 0
        self._schedule_check()

    def _schedule_check(self) -> None:
        seconds = self._stall_seconds / _CHECKS_PER_STALL
        self._stall_timer = self._loop.call_later(seconds, self._check_stall)

    def _check_stall(self) -> None:
        has_read = self._stdin.transport.get_write_buffer_size() < self._unread_bytes
        if self._is_emitting or self._has_progressed or has_read:
            self._start_stall_timer()
            return
        self._checks_without_progress += 1
        if self._checks_without_progress < _CHECKS_PER_STALL:
            self._schedule_check()
            return
        logger.warning("ffmpeg pid=%d: hangs, killed", self.pid)
        self._stall_timer = None
        self._is_stalled = True
        self._process.kill()

    def _take_now(self, block: bytes) -> bool:
        """Emit ``block`` if nothing has to be awaited; on False, `_read_stdout` gets it."""
        if self._emit_now is None or self._pending or len(block) % self._frame_bytes:
            return False
        if not self._emit_now(memoryview(block)):
            return False
        self.started.set()
        self._has_progressed = True
        self._emitted_bytes += len(block)
        return True

    async def _read_stdout(self) -> None:
        try:
            while block := await self._stdout.read():
                data = self._pending + block if self._pending else block
                rest = len(data) % self._frame_bytes
                self._pending = data[len(data) - rest :]
                self.started.set()
                self._has_progressed = self._is_emitting = True
                await self._emit(memoryview(data)[: len(data) - rest])
                self._is_emitting = False
                self._emitted_bytes += len(data) - rest
        except Exception:
            # No task reads the pipe any more, so a writer in `feed` would wait forever.
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
            logger.info("ffmpeg reported: pid=%d line=%s", self._process.pid, text)

    async def _end_reason(self) -> Exception:
        """Return why ffmpeg accepts no more input; raise the error of ``emit`` if that is why."""
        with self._detect_stall():  # it may have closed its input only
            await asyncio.wait([self._stdout_task])
        self._check_output()
        return await self._failure()

    def _check_output(self) -> None:
        """Raise what ended the output early: an error of ``emit``, or `kill`."""
        if self._stdout_task.cancelled():
            raise DecoderLostError("the decoder was aborted")
        self._stdout_task.result()

    async def _failure(self) -> Exception:
        """Return the error for a process that has failed: its fault, or the fault of the input."""
        await asyncio.wait([self._stderr_task], timeout=self._stall_seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._stall_seconds):
                await self._process.wait()
        if self._is_stalled:
            return DecoderLostError(
                f"ffmpeg neither read nor wrote for {self._stall_seconds:g} seconds"
            )
        code = self._process.returncode
        if code is not None and (code < 0 or code in _EXTERNAL_EXIT_CODES):
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            return DecoderLostError(f"ffmpeg was terminated: {how}")
        self._has_exited = True
        return self.damage or DecodeError(f"ffmpeg exited before the end of the {self._what}")
