"""The transport of a connection, aborted if its peer stops reading.

A transport that is closed first sends what it has buffered. If the peer reads nothing, that never
ends, and the socket and the buffer are never freed.
"""

import asyncio
import fcntl
import math
import struct
import termios
from typing import Any


class WatchedTransport:
    """Passes everything on to ``transport``, and aborts it if the peer stops reading.

    It is watched while :meth:`watch` is in effect, and from :meth:`close` on: it is aborted if the
    peer acknowledges nothing for ``stall_seconds``.
    """

    def __init__(self, transport: asyncio.Transport, *, stall_seconds: float) -> None:
        self._transport = transport
        self._stall_seconds = stall_seconds
        self._drain_seconds = math.inf
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._unread_bytes = 0
        self._is_lost = False
        self.write = transport.write  # these two are called for every message
        self.is_closing = transport.is_closing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def limit_closing(self, seconds: float) -> None:
        """Abort ``seconds`` after `close`, however much the peer has read by then."""
        self._drain_seconds = seconds

    def watch(self) -> None:
        """Abort the transport as soon as its peer has read nothing for the time limit."""
        if self._timer is None and not self._is_lost:
            self._unread_bytes = self._count_unread()
            self._timer = self._loop.call_later(self._stall_seconds, self._check)

    def unwatch(self) -> None:
        """Stop watching, unless the transport is closing."""
        if not self._transport.is_closing():
            self._cancel()

    def close(self) -> None:
        """Close after the buffered data was sent, or the peer has stopped reading it."""
        if self._is_lost or self._transport.is_closing():
            return
        self._transport.close()
        if self._drain_seconds == math.inf:
            self.watch()
        else:
            self._cancel()
            self._timer = self._loop.call_later(self._drain_seconds, self._transport.abort)

    def lost(self) -> None:
        """Stop: the connection is lost."""
        self._is_lost = True
        self._cancel()

    def _check(self) -> None:
        self._timer = None
        unread_bytes = self._count_unread()
        if unread_bytes < self._unread_bytes:
            self.watch()
        else:
            self._transport.abort()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _count_unread(self) -> int:
        """Return how many bytes the peer has not acknowledged: buffered here and in the kernel.

        The buffer here alone would not do: the kernel takes megabytes at a time, which a slow
        client reads in minutes.
        """
        try:
            fd = self._transport.get_extra_info("socket").fileno()
            kernel = fcntl.ioctl(fd, termios.TIOCOUTQ, struct.pack("i", 0))  # tcp(7): SIOCOUTQ
        except OSError:
            return self._transport.get_write_buffer_size()
        return self._transport.get_write_buffer_size() + int(struct.unpack("i", kernel)[0])
