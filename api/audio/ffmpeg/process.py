"""A child process with its pipes on the event loop.

`subprocess` starts a process in 0.5 ms (vfork), in a thread. uvloop's own implementation blocks the
loop for 8 ms (fork copies the page tables of the service) and leaks copies of the pipes into the
child.

The child has an empty environment, because it parses hostile input and the environment of the
service contains keys. It has a process group of its own and blocks SIGHUP, SIGINT and SIGTERM, so
that Ctrl-C and systemd's stop, which signal all processes of the service, do not end it. Only the
service ends it.

It has a session of its own only if the service has a terminal, to which it could write commands
(TIOCSTI in ioctl_tty(2)). Linux may share the processor between sessions, and then the lower
priority of a process in another one counts for nothing (sched(7), "The autogroup feature").
"""

import asyncio
import concurrent.futures
import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import uvloop

from api.audio.ffmpeg.output import Output
from storage.threads import ThreadPool

_STDERR_READ_AHEAD_BYTES = 256 * 1024

_STOP_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)

# A killed process ends in milliseconds, unless it waits for a disk that does not answer.
_EXIT_SECONDS = 1.0


# The threads that start processes. They live as long as the service: if one ended, the kernel would
# kill the processes that it has started (PR_SET_PDEATHSIG in prctl(2), which the sandbox sets).
starting = ThreadPool("ffmpeg-start", 4)


class Process:
    """A child process and its pipes. The event loop reaps it when it exits.

    Call :meth:`terminate` or :meth:`end` in the end: both close the pipes.
    """

    def __init__(self, popen: "subprocess.Popen[bytes]", pidfd: int) -> None:
        self.stdin: asyncio.StreamWriter
        self.stdout: Output
        self.stderr: asyncio.StreamReader
        self._popen = popen
        self._pidfd = pidfd
        self._exited = asyncio.Event()
        self._transports: list[asyncio.BaseTransport] = []
        asyncio.get_running_loop().add_reader(pidfd, self._reap)

    @classmethod
    async def start(cls, command: Sequence[str]) -> "Process":
        """Start ``command``. Raises ``OSError`` if it cannot be executed.

        If the caller is cancelled, the process is terminated.
        """
        spawning = starting.submit(_spawn, command)
        try:
            spawned = await asyncio.wrap_future(spawning)
        except asyncio.CancelledError:
            starting.submit(_discard, spawning)
            raise
        connecting = asyncio.ensure_future(cls._connected(spawned))
        try:
            return await asyncio.shield(connecting)
        except asyncio.CancelledError:
            # Without an `await`: in a cancelled scope every `await` is cancelled again.
            connecting.add_done_callback(lambda done: done.result().terminate())
            raise

    @classmethod
    async def _connected(cls, spawned: "_Spawned") -> "Process":
        process = cls(spawned.popen, spawned.pidfd)
        process.stdin, writing = await _writer(_Pipe(spawned.stdin))
        process.stdout, output = await _output(_Pipe(spawned.stdout))
        process.stderr, errors = await _reader(_Pipe(spawned.stderr))
        process._transports = [writing, output, errors]
        return process

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """Return the exit code, or minus the number of the signal; None while it runs."""
        return self._popen.returncode

    def kill(self) -> None:
        """Kill the process. Idempotent."""
        self._popen.kill()

    def terminate(self) -> None:
        """Kill the process and close its pipes, without waiting for that. Idempotent."""
        self.kill()
        for transport in self._transports:
            transport.close()

    async def end(self) -> None:
        """Terminate the process; wait until it is reaped, or for a second if it does not exit."""
        self.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_EXIT_SECONDS):
                await self.wait()
        await asyncio.sleep(0)  # the transports close in the next iteration of the loop

    async def wait(self) -> int:
        """Wait for the process; return its exit code, or minus the number of the signal."""
        await self._exited.wait()
        return self._popen.wait()

    def _reap(self) -> None:
        self._popen.wait()  # it has exited, so this does not block
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._exited.set()


class _Spawned(NamedTuple):
    """A process with the descriptors of this end of its pipes."""

    popen: "subprocess.Popen[bytes]"
    pidfd: int
    stdin: int
    stdout: int
    stderr: int


def _spawn(command: Sequence[str]) -> _Spawned:
    """Start ``command``. Raises ``OSError``; then no descriptor is left open, and no process."""
    with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
        child_stdin, stdin = _open_pipe(theirs, ours)
        stdout, child_stdout = _open_pipe(ours, theirs)
        stderr, child_stderr = _open_pipe(ours, theirs)
        has_terminal = _has_terminal()
        with _stop_signals_blocked():
            popen = subprocess.Popen(  # noqa: S603 - no shell
                command,
                bufsize=0,
                stdin=child_stdin,
                stdout=child_stdout,
                stderr=child_stderr,
                env={},
                process_group=None if has_terminal else 0,
                start_new_session=has_terminal,
            )
        try:
            # Now, so that no descriptor is needed to wait for its exit.
            pidfd = os.pidfd_open(popen.pid)
        except OSError:
            popen.kill()
            popen.wait()
            raise
        ours.pop_all()
        return _Spawned(popen, pidfd, stdin, stdout, stderr)


def _has_terminal() -> bool:
    """Return whether this process has a controlling terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _discard(spawning: "concurrent.futures.Future[_Spawned]") -> None:
    """End the process that a start which was cancelled yields all the same."""
    try:
        spawned = spawning.result()
    except (concurrent.futures.CancelledError, OSError):
        return
    spawned.popen.kill()
    for fd in (spawned.pidfd, spawned.stdin, spawned.stdout, spawned.stderr):
        os.close(fd)
    spawned.popen.wait()


def _open_pipe(reading: contextlib.ExitStack, writing: contextlib.ExitStack) -> tuple[int, int]:
    """Open a pipe, each end of which is closed with its stack."""
    ends = os.pipe()
    for end, stack in zip(ends, (reading, writing), strict=True):
        stack.callback(os.close, end)
    return ends


@contextlib.contextmanager
def _stop_signals_blocked() -> Iterator[None]:
    """Block the stop signals: exec(3) keeps the mask (signal(7))."""
    unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)


class _Pipe:
    """One end of a pipe that the event loop closes.

    uvloop closes the descriptor and then calls ``close`` of this object. In between, another
    thread may open a file with the same descriptor number. So with uvloop ``close`` does nothing.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._is_closed_by_loop = isinstance(asyncio.get_running_loop(), uvloop.Loop)

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        if not self._is_closed_by_loop:
            os.close(self._fd)


async def _reader(pipe: _Pipe) -> tuple[asyncio.StreamReader, asyncio.BaseTransport]:
    reader = asyncio.StreamReader(limit=_STDERR_READ_AHEAD_BYTES)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    return reader, transport


async def _output(pipe: _Pipe) -> tuple[Output, asyncio.BaseTransport]:
    transport, output = await asyncio.get_running_loop().connect_read_pipe(
        lambda: Output(pipe.fileno()), pipe
    )
    return output, transport


async def _writer(pipe: _Pipe) -> tuple[asyncio.StreamWriter, asyncio.BaseTransport]:
    loop = asyncio.get_running_loop()
    # The protocol is needed for flow control only; the pipe is never read.
    protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
    transport, _ = await loop.connect_write_pipe(lambda: protocol, pipe)
    return asyncio.StreamWriter(transport, protocol, None, loop), transport
