"""A child process with its pipes on the event loop.

`subprocess` starts one in half a millisecond (vfork), where uvloop's own way stops the loop
for eight (fork of all the service's memory) and leaves the child with copies of the pipes.

The child leads a session of its own, with an empty environment: what it parses is hostile,
and the service's holds keys. Only what is sent to it alone ends it: Ctrl-C does not reach
it, and systemd's stop, which goes to every process of the service, finds it deaf.
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
    """Must be waited for in the end, or it stays a zombie."""

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
        """Raises ``OSError``."""
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
        """None until :meth:`wait` has returned."""
        return self._popen.returncode

    def kill(self) -> None:
        self._popen.kill()

    async def close(self) -> None:
        """Let go of the pipes."""
        for transport in self._transports:
            transport.close()
        await asyncio.sleep(0)  # that is when they are closed

    async def wait(self) -> int:
        """Its exit code, once it has ended; negative where a signal ended it."""
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
    """Blocked signals are inherited, through exec(3) too (signal(7))."""
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
    """One end of a pipe, for an event loop to close.

    uvloop closes twice: the descriptor, then the object it was given. In between, a thread
    may have been given the same number for a file of its own, so here nothing is closed.
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
    # For its flow control; nothing is ever read.
    protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
    transport, _ = await loop.connect_write_pipe(lambda: protocol, pipe)
    return asyncio.StreamWriter(transport, protocol, None, loop)
