"""A child process with its pipes on the event loop.

`subprocess` starts a process in 0.5 ms (vfork). uvloop's own implementation blocks the loop for
8 ms (fork copies the page tables of the service) and leaks copies of the pipes into the child.

The child has an empty environment, because it parses hostile input and the environment of the
service contains keys. It is the leader of a new session and blocks SIGHUP, SIGINT and SIGTERM, so
that Ctrl-C and systemd's stop, which signal all processes of the service, do not end it. Only the
service ends it.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Sequence
from typing import IO, NamedTuple, cast

import uvloop

_READ_AHEAD_BYTES = 256 * 1024

_STOP_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class Process:
    """A child process and its pipes. Call :meth:`wait` in the end, or it stays a zombie."""

    def __init__(
        self,
        popen: "subprocess.Popen[bytes]",
        stdin: asyncio.StreamWriter,
        stdout: "_Output",
        stderr: "_Output",
    ) -> None:
        self._popen = popen
        self.stdin = stdin
        self.stdout, self.stderr = stdout.reader, stderr.reader
        self._transports = (stdin.transport, stdout.transport, stderr.transport)

    @classmethod
    async def start(cls, command: Sequence[str]) -> "Process":
        """Start ``command``. Raises ``OSError`` if it cannot be executed."""
        connecting = asyncio.ensure_future(cls._connected(_spawn(command)))
        try:
            return await asyncio.shield(connecting)
        except asyncio.CancelledError:
            process = await connecting
            process.kill()
            await process.wait()
            await process.close()
            raise

    @classmethod
    async def _connected(cls, popen: "subprocess.Popen[bytes]") -> "Process":
        files = cast("list[IO[bytes]]", [popen.stdin, popen.stdout, popen.stderr])
        stdin, stdout, stderr = map(_Pipe, files)
        return cls(popen, await _writer(stdin), await _output(stdout), await _output(stderr))

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """Return the exit code; None until :meth:`wait` has returned."""
        return self._popen.returncode

    def kill(self) -> None:
        self._popen.kill()

    async def close(self) -> None:
        """Close the pipes."""
        for transport in self._transports:
            transport.close()
        await asyncio.sleep(0)  # the transports close in the next iteration of the loop

    async def wait(self) -> int:
        """Wait for the process; return its exit code, or minus the number of the signal."""
        if self._popen.poll() is None:
            loop, ended = asyncio.get_running_loop(), asyncio.Event()
            pidfd = os.pidfd_open(self._popen.pid)
            loop.add_reader(pidfd, ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(pidfd)
                os.close(pidfd)
        return self._popen.wait()


def _spawn(command: Sequence[str]) -> "subprocess.Popen[bytes]":
    """Start ``command`` with the stop signals blocked: exec(3) keeps the mask (signal(7))."""
    unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    try:
        return subprocess.Popen(  # noqa: S603 - no shell
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={},
            start_new_session=True,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)


class _Pipe:
    """One end of a pipe that the event loop closes.

    uvloop closes the descriptor and then calls ``close`` of this object. In between, another
    thread may open a file with the same descriptor number. So with uvloop ``close`` does nothing.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._fd = os.dup(file.fileno())
        file.close()
        self._is_closed_by_loop = isinstance(asyncio.get_running_loop(), uvloop.Loop)

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        if not self._is_closed_by_loop:
            os.close(self._fd)


class _Output(NamedTuple):
    reader: asyncio.StreamReader
    transport: asyncio.ReadTransport


async def _output(pipe: _Pipe) -> _Output:
    reader = asyncio.StreamReader(limit=_READ_AHEAD_BYTES)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    return _Output(reader, transport)


async def _writer(pipe: _Pipe) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    # The protocol is needed for flow control only; the pipe is never read.
    protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
    transport, _ = await loop.connect_write_pipe(lambda: protocol, pipe)
    return asyncio.StreamWriter(transport, protocol, None, loop)
