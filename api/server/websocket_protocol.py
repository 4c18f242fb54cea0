"""uvicorn's WebSocket protocol, made fair: nobody's flood is served before everybody else.

As it is, uvicorn parses all that one read brought (up to 256 KB, thousands of chunks), and a
handler that is ahead of its queue serves them in a row. Here a connection that has more than a
little takes round_robin with the others that do: a slice of one of them in each turn of the loop.
"""

import asyncio
import collections
import logging
from typing import Any

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode

# Of each connection websockets says again what uvicorn has said of it.
_logger = logging.getLogger("websockets.server")
_logger.setLevel(logging.WARNING)

# What an ordinary read brings is parsed at once.
_IMMEDIATE_BYTES = 8 * 1024

_LARGEST_SLICE_BYTES = 64 * 1024
_SMALLEST_SLICE_BYTES = 256
_MAX_MESSAGES_PER_SLICE = 4  # of a slice; the next one is smaller

# Forty times what the most demanding live audio needs (96 kHz stereo). Faster than that is only
# who sends a file, and not while others are connected.
_MAX_BYTES_PER_SECOND = 16_000_000


class RoundRobin:
    """Those who have more than their share, one after the other, others in between."""

    def __init__(self) -> None:
        self._waiting: collections.deque[FairWebSocketProtocol] = collections.deque()

    def enqueue(self, protocol: "FairWebSocketProtocol") -> None:
        self._waiting.append(protocol)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        try:
            self._waiting[0].parse_slice()
        finally:
            self._waiting.popleft()
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._next)


class FairWebSocketProtocol(WebSocketsSansIOProtocol):
    """Parses what was read in slices, and none while there is a message to be received.

    So a connection holds one read and the messages of one slice, however small they are. What
    comes before the handshake is answered waits for the answer.
    """

    def __init__(self, *args: Any, round_robin: RoundRobin, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn.logger = _logger
        self._round_robin = round_robin
        self._unparsed = bytearray()
        self._slice_bytes = _IMMEDIATE_BYTES
        self._is_waiting = False

    def data_received(self, data: bytes) -> None:
        if not self.handshake_initiated:  # uvicorn hands over the whole request, and nothing else
            super().data_received(data)
            self._pause_reading()
        elif len(data) <= _IMMEDIATE_BYTES and not self._unparsed and self.handshake_complete:
            super().data_received(data)
        else:
            self._unparsed += data
            self._pause_reading()
            if self.handshake_complete:
                self._request_slice(after_seconds=0)

    def start_keepalive(self) -> None:
        """The handshake was accepted: uvicorn calls this at no other time."""
        super().start_keepalive()
        self._continue_reading()

    def send_receive_event_to_app(self) -> None:
        """Text that is not UTF-8 is the client's mistake: closed for, not logged as a defect."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.conn.fail(CloseCode.INVALID_DATA, "invalid UTF-8")
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    async def send(self, message: ASGISendEvent) -> None:
        """Raises ``ClientDisconnected`` where the protocol has said goodbye by itself.

        It does to a client that breaks its rules or answers no ping; messages may be unanswered.
        """
        await self.writable.wait()
        if self.handshake_complete and self.close_sent:
            raise ClientDisconnected
        await super().send(message)
        if self.close_sent:  # an HTTP answer completes a handshake, too, but uvicorn logs an error
            self.handshake_complete = True

    async def receive(self) -> ASGIReceiveEvent:
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self._continue_reading()
        return message

    def connection_lost(self, exc: Exception | None) -> None:
        # What arrived is received, whoever is gone.
        if self.handshake_complete and not self.close_sent:
            self._parse(len(self._unparsed))
        super().connection_lost(exc)

    def parse_slice(self) -> None:
        """Parse a slice. Who receives its last message makes the connection go on."""
        self._is_waiting = False
        if self.disconnected or not self.queue.empty():
            return
        self._parse(self._slice_bytes)
        messages = self.queue.qsize()
        if messages > _MAX_MESSAGES_PER_SLICE:
            self._slice_bytes = max(self._slice_bytes // 2, _SMALLEST_SLICE_BYTES)
        elif messages <= 1:
            self._slice_bytes = min(self._slice_bytes * 2, _LARGEST_SLICE_BYTES)
        if not messages:
            self._continue_reading()

    def _pause_reading(self) -> None:
        if not self.read_paused and not self.transport.is_closing():
            self.read_paused = True
            self.transport.pause_reading()

    def _continue_reading(self) -> None:
        if not self.handshake_complete:
            return
        if self._unparsed:
            is_alone = len(self.connections) == 1
            self._request_slice(0 if is_alone else self._slice_bytes / _MAX_BYTES_PER_SECOND)
        elif self.read_paused and not self.transport.is_closing():
            self.read_paused = False
            self.transport.resume_reading()

    def _request_slice(self, after_seconds: float) -> None:
        if self._is_waiting:
            return
        self._is_waiting = True
        if after_seconds < 0.001:
            self._round_robin.enqueue(self)
        else:
            self.loop.call_later(after_seconds, self._round_robin.enqueue, self)

    def _parse(self, size_bytes: int) -> None:
        if self._unparsed:
            data = bytes(self._unparsed[:size_bytes])
            del self._unparsed[:size_bytes]
            super().data_received(data)
