"""uvicorn's WebSocket protocol, made fair and bounded.

uvicorn parses at once all that one read returned (up to 256 KB, thousands of chunks). Here the
connections that have more than a little of unparsed input are parsed in turns, a slice of a few
milliseconds of one of them in each iteration of the loop.

What the protocol sends by itself is bounded too: of the pongs that a client does not read only the
newest is kept, and a connection that is closed is aborted if the client does not read what is
buffered for it.
"""

import asyncio
import collections
import logging
import time
from typing import Any

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

# websockets repeats what uvicorn logs about each connection.
_logger = logging.getLogger("websockets.server")
_logger.setLevel(logging.WARNING)

# Input of this size is parsed at once: of the smallest frames that takes 5 ms.
_IMMEDIATE_BYTES = 8 * 1024

# A slice ends after this time, this much input, or this many messages. It is parsed piece by
# piece, because the parser does not stop before the end of what it got.
_SLICE_SECONDS = 0.002
_SLICE_BYTES = 64 * 1024
_SLICE_MESSAGES = 4
_PIECE_BYTES = 4 * 1024

# A handler with more messages in its queue lets others run before each of them.
_MESSAGES_IN_A_ROW = 4

# Forty times what the most demanding live audio needs (96 kHz stereo). Only a client that sends a
# file is faster, and it waits while others are connected.
_MAX_BYTES_PER_SECOND = 16_000_000

# Of one message. Proxies and C clients send frames of a few kilobytes; a fragment of one byte, or
# none, takes more than a hundred bytes of memory until its message is complete.
_MAX_FRAGMENTS = 16 * 1024

# How long a client may take to answer a close frame, and then to read what is buffered for it.
_CLOSE_SECONDS = 5.0

# If a timer fires later than this, the process was stopped or overloaded.
_LATE_SECONDS = 1.0

_PONG = 0x8A  # the first byte of the frame


class RoundRobin:
    """Parses a slice of each connection that waits, one in each iteration of the loop."""

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
    """Parses input in slices, and none while a message waits to be received.

    So a connection holds one read and the messages of one slice. What comes before the handshake is
    answered waits for the answer.
    """

    def __init__(self, *args: Any, round_robin: RoundRobin, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn.logger = _logger
        self.close_timeout = _CLOSE_SECONDS
        self._round_robin = round_robin
        self._unparsed = bytearray()
        self._slice_bytes = 0  # size of the last slice
        self._is_waiting = False
        self._pong = b""  # to be sent as soon as the client reads
        self._is_lost = False  # no more input arrives, and `disconnected` follows what has arrived
        self._loss: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.limit_closing(_CLOSE_SECONDS)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if not self.handshake_initiated:  # uvicorn passes the whole request, and nothing else
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
        """Start to read: uvicorn calls this after it accepted the handshake, and only then."""
        super().start_keepalive()
        self._continue_reading()

    def handle_ping(self) -> None:
        """Send the pong. While the client does not read, keep the newest one only."""
        frames = self.conn.data_to_send()
        if self._is_lost or self.close_sent:
            return
        if self.writable.is_set():
            self.transport.write(b"".join(frames))
            return
        for frame in frames:
            if frame and frame[0] == _PONG:
                self._pong = frame
            else:
                self.transport.write(frame)

    def resume_writing(self) -> None:
        super().resume_writing()
        pong, self._pong = self._pong, b""
        if pong and not self.close_sent and not self.transport.is_closing():
            self.transport.write(pong)

    def handle_cont(self, event: Frame) -> None:
        if self.close_sent:
            return
        if len(self.frames) >= _MAX_FRAGMENTS:
            self.frames = []
            self.conn.fail(CloseCode.MESSAGE_TOO_BIG, f"more than {_MAX_FRAGMENTS} fragments")
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """Close after text that is not UTF-8; that is the client's fault and no error to log."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.conn.fail(CloseCode.INVALID_DATA, "invalid UTF-8")
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    def keepalive_timeout(self) -> None:
        """Close, unless the pong may have arrived and was not read.

        That is so after the process was stopped or overloaded, and while messages that arrived
        before the pong wait for the handler, unless it waits for the client to read.
        """
        late_seconds = self.loop.time() - self.ping_sent_at - (self.ping_timeout or 0.0)
        if late_seconds > _LATE_SECONDS or (self.read_paused and self.writable.is_set()):
            self.ping_sent_at = self.loop.time()
            self.pong_timer = self.loop.call_later(self.ping_timeout or 0, self.keepalive_timeout)
        else:
            super().keepalive_timeout()

    async def send(self, message: ASGISendEvent) -> None:
        """Send ``message`` as soon as the client reads; a close frame at once.

        Raises ``ClientDisconnected`` after the protocol has sent a close frame by itself: to a
        client that violates the protocol or answers no ping. Messages may be unanswered.
        """
        if message["type"] == "websocket.close":
            self.writable.set()  # nothing is sent after it
        await self.writable.wait()
        if self.handshake_complete and self.close_sent:
            raise ClientDisconnected
        await super().send(message)
        if self.close_sent:  # an HTTP answer completes a handshake, too, but uvicorn logs an error
            self.handshake_complete = True

    async def receive(self) -> ASGIReceiveEvent:
        if self.queue.qsize() > _MESSAGES_IN_A_ROW:
            await asyncio.sleep(0)
        message = await self.queue.get()
        if self.queue.empty() and (self.read_paused or self._is_lost):
            self._continue_reading()
        return message

    def connection_lost(self, exc: Exception | None) -> None:
        """Parse what has arrived, in slices as before; then the handler gets the disconnect."""
        self.transport.lost()  # type: ignore[attr-defined]
        self._is_lost, self._loss = True, exc
        if not self._unparsed or not self.handshake_complete or self.close_sent:
            self._disconnect()
            return
        self.stop_keepalive()
        self.disconnected = True
        self.writable.set()
        if self.queue.empty():
            self._request_slice(after_seconds=0)

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        if self._is_lost:  # nothing receives the rest
            self._disconnect()

    def parse_slice(self) -> None:
        """Parse a slice. The handler that receives its last message requests the next one."""
        self._is_waiting = False
        if not self.queue.empty() or (self.disconnected and not self._is_lost):
            return
        self._parse()
        if self.queue.empty():
            self._continue_reading()

    def _disconnect(self) -> None:
        self._is_lost = False
        self._unparsed.clear()
        super().connection_lost(self._loss)

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
        elif self._is_lost:
            self._disconnect()
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

    def _parse(self) -> None:
        """Parse pieces until the slice is over."""
        before = len(self._unparsed)
        end = time.perf_counter() + _SLICE_SECONDS  # uvloop's clock stands still in an iteration
        while (
            self._unparsed
            and before - len(self._unparsed) < _SLICE_BYTES
            and self.queue.qsize() < _SLICE_MESSAGES
            and time.perf_counter() < end
        ):
            if self.close_sent and (self._is_lost or self.transport.is_closing()):
                self._unparsed.clear()
                break
            piece = bytes(self._unparsed[:_PIECE_BYTES])
            del self._unparsed[:_PIECE_BYTES]
            super().data_received(piece)
        self._slice_bytes = before - len(self._unparsed)
