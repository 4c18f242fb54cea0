"""The output of a process, read in few and large blocks.

ffmpeg writes packet by packet, and each write would wake the event loop. So it stops reading for a
few milliseconds when a small block arrives, or when the caller expects output, and then reads all.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import cast

# What ffmpeg decodes from one chunk of live audio is recorded at once.
_GATHER_SECONDS = 0.004
_LIVE_BYTES = 16 * 1024

_PIPE_BYTES = 64 * 1024  # which a pipe holds
_READ_AHEAD_BYTES = 256 * 1024


class Output(asyncio.Protocol):
    """Reads one pipe; ``fd`` is its descriptor.

    If set, ``take_now`` gets what :meth:`read` waits for, and returns False to leave it to that,
    which also raises its errors. It saves the caller's task an iteration of the event loop.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.take_now: Callable[[bytes], bool] | None = None
        self._unread = b""
        self._has_ended = False
        self._loop = asyncio.get_running_loop()
        self._gathering: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def read(self) -> bytes:
        """Return what the process has written, at most 64 KiB; nothing at the end.

        One caller at a time.
        """
        while not self._unread and not self._has_ended:
            self._waiter = self._loop.create_future()
            await self._waiter
        block, self._unread = self._unread[:_PIPE_BYTES], self._unread[_PIPE_BYTES:]
        self._resume()
        return block

    def gather(self) -> None:
        """Read all that the process writes in the next milliseconds together."""
        if self._gathering is None and not self._transport.is_closing():
            self._transport.pause_reading()
            self._gathering = self._loop.call_later(_GATHER_SECONDS, self._read_gathered)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.ReadTransport", transport)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if len(data) < _LIVE_BYTES:
            self.gather()
            return
        self._pass_on()
        if len(self._unread) >= _READ_AHEAD_BYTES:
            self._transport.pause_reading()

    def connection_lost(self, _: Exception | None) -> None:
        self._has_ended = True
        self._pass_on()
        self.take_now = None  # it belongs to the owner of this object, and would keep it alive

    def _read_gathered(self) -> None:
        self._gathering = None
        if self._transport.is_closing():
            return
        with contextlib.suppress(BlockingIOError):
            self._unread += os.read(self._fd, _PIPE_BYTES)  # at the end of the output: nothing
        if self._unread:
            self._pass_on()
        self._resume()

    def _resume(self) -> None:
        """Read on, unless that happens later or much is unread."""
        is_due = self._gathering is None and len(self._unread) < _READ_AHEAD_BYTES
        if is_due and not self._transport.is_closing():
            self._transport.resume_reading()

    def _pass_on(self) -> None:
        """Pass on what is unread, or the end, if :meth:`read` waits for it."""
        if self._waiter is None or self._waiter.done():
            return
        try:
            is_taken = self._unread and self.take_now is not None and self.take_now(self._unread)
        except Exception as error:  # noqa: BLE001 - `read` raises it
            self._waiter.set_exception(error)
            return
        if is_taken:
            self._unread = b""
        if not is_taken or self._has_ended:
            self._waiter.set_result(None)
