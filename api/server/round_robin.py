"""Parsing of WebSocket input in turns.

uvicorn parses at once all that one read returned (up to 256 KB, thousands of chunks). Here the
connections that have more than a little of unparsed input are parsed in turns, a slice of half a
millisecond of one of them in each iteration of the loop.
"""

import asyncio
import collections
import time
from typing import Any

from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from api.server.frame_buffer import FrameBuffer
from api.server.large_message import LargeMessage

# Input of this size is parsed at once.
IMMEDIATE_BYTES = 8 * 1024

# A slice ends after this time, this much input, or this many messages in the queue.
_SLICE_SECONDS = 0.0005
_SLICE_BYTES = 64 * 1024
_SLICE_MESSAGES = 4

# A handler with more messages in its queue lets others run before each of them.
_MESSAGES_IN_A_ROW = 4

# Forty times what the most demanding live audio needs (96 kHz stereo). Only a client that sends a
# file is faster, and it waits while others are connected.
_MAX_BYTES_PER_SECOND = 16_000_000

_NO_CLOSE_FRAME = 1006  # RFC 6455, section 7.4.1


class MessageQueue(asyncio.Queue[Any]):
    """ASGI events for the handler. ``is_awaited``: it waits for one, and has got all others."""

    __slots__ = ("is_awaited",)

    def __init__(self) -> None:
        super().__init__()
        self.is_awaited = False

    def put_nowait(self, item: Any) -> None:
        self.is_awaited = False
        super().put_nowait(item)

    async def get(self) -> Any:
        self.is_awaited = self.empty()
        try:
            return await super().get()
        finally:
            self.is_awaited = False


class RoundRobin:
    """Parses a slice of each connection that waits, one in each iteration of the loop."""

    def __init__(self) -> None:
        self._waiting: collections.deque[RoundRobinProtocol] = collections.deque()

    def enqueue(self, protocol: "RoundRobinProtocol") -> None:
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


class RoundRobinProtocol(WebSocketsSansIOProtocol):
    """Parses input in slices, frame by frame, and none while a message waits to be received.

    So a connection holds one read, or one incomplete frame, and the messages of one slice. What
    comes before the handshake is answered waits for the answer.
    """

    __slots__ = (
        "_is_waiting",
        "_loss",
        "_next_slice_at",
        "_round_robin",
        "is_lost",
        "queue",
        "unparsed",
    )

    unparsed: FrameBuffer
    is_lost: bool  # no more input arrives, and `disconnected` follows what has arrived

    def __init__(self, *args: Any, round_robin: RoundRobin, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.queue: MessageQueue = MessageQueue()
        self.unparsed, self.is_lost = FrameBuffer(), False
        self._loss: Exception | None = None
        self._round_robin = round_robin
        self._next_slice_at = 0.0  # of the loop's clock
        self._is_waiting = False

    def data_received(self, data: bytes) -> None:
        if not self.handshake_initiated:  # uvicorn passes the whole request, and nothing else
            super().data_received(data)
            self._pause_reading()
            return
        self.unparsed += data
        if not self.handshake_complete:
            self._pause_reading()
        elif not self._has_frame():
            return
        elif len(self.unparsed) <= IMMEDIATE_BYTES and not self._is_waiting:
            self.parse_slice()
        else:
            self._request_slice()

    def frame_received(self, frame: bytes) -> None:
        """Parse one whole frame, or input that the parser refuses by its first bytes."""
        super().data_received(frame)

    def start_keepalive(self) -> None:
        """Start to read: uvicorn calls this after it accepted the handshake, and only then."""
        super().start_keepalive()
        self._continue_reading()

    async def receive(self) -> ASGIReceiveEvent:
        if self.queue.qsize() > _MESSAGES_IN_A_ROW:
            await asyncio.sleep(0)
        message: ASGIReceiveEvent | LargeMessage | Exception = await self.queue.get()
        if isinstance(message, Exception):
            raise message
        if isinstance(message, LargeMessage):
            message = {"type": "websocket.receive", "bytes": await message.joined()}
        if self.queue.empty() and (self.read_paused or self.is_lost):
            self._continue_reading()
        return message

    def connection_lost(self, exc: Exception | None) -> None:
        """Parse what has arrived, in slices as before; then the handler gets the disconnect."""
        self.transport.lost()  # type: ignore[attr-defined]
        self.is_lost, self._loss = True, exc
        if not self._has_frame() or not self.handshake_complete or self.close_sent:
            self._disconnect()
            return
        self.stop_keepalive()
        self.disconnected = True
        self.writable.set()
        if self.queue.empty():
            self._request_slice()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        if self.is_lost:  # nothing receives the rest
            self._disconnect()

    def parse_slice(self) -> None:
        """Parse a slice. The handler that receives its last message requests the next one."""
        self._is_waiting = False
        # After a close frame nothing receives what is queued, and the peer's close frame follows.
        is_ready = self.queue.empty() or self.close_sent
        if not is_ready or (self.disconnected and not self.is_lost):
            return
        self._parse()
        if self.queue.empty() or self.close_sent:
            self._continue_reading()

    def max_payload_bytes(self) -> int:
        """Return the size above which the parser refuses the next frame."""
        limit_bytes = self.conn.max_message_size
        assert limit_bytes is not None
        return limit_bytes - (self.conn.current_size or 0)

    def _has_frame(self) -> bool:
        return self.unparsed.has_frame(self.max_payload_bytes())

    def _disconnect(self) -> None:
        self.is_lost = False
        self.unparsed.clear()
        if self.conn.close_rcvd is None:
            # uvicorn reports 1005 here, the code of a close frame without a code: also to a client
            # that it has closed, because no pong arrived.
            lost = {"type": "websocket.disconnect", "code": _NO_CLOSE_FRAME, "reason": ""}
            self.queue.put_nowait(lost)
        super().connection_lost(self._loss)

    def _pause_reading(self) -> None:
        if not self.read_paused and not self.transport.is_closing():
            self.read_paused = True
            self.transport.pause_reading()

    def _continue_reading(self) -> None:
        if not self.handshake_complete:
            return
        if self._has_frame():
            self._request_slice()
        elif self.is_lost:
            self._disconnect()
        elif self.read_paused and not self.transport.is_closing():
            self.read_paused = False
            self.transport.resume_reading()

    def _request_slice(self) -> None:
        self._pause_reading()
        if self._is_waiting:
            return
        self._is_waiting = True
        is_alone = len(self.connections) == 1
        if is_alone or self._next_slice_at < self.loop.time() + 0.001:
            self._round_robin.enqueue(self)
        else:
            self.loop.call_at(self._next_slice_at, self._round_robin.enqueue, self)

    def _parse(self) -> None:
        """Parse frames until the slice is over."""
        slice_bytes = 0
        end = time.perf_counter() + _SLICE_SECONDS  # uvloop's clock stands still in an iteration
        while (
            slice_bytes < _SLICE_BYTES
            and self.queue.qsize() < _SLICE_MESSAGES
            and time.perf_counter() < end
        ):
            if self.close_sent and (self.is_lost or self.transport.is_closing()):
                self.unparsed.clear()
            frame = self.unparsed.take(self.max_payload_bytes())
            if frame is None:
                break
            slice_bytes += len(frame)
            self.frame_received(frame)
        self._next_slice_at = self.loop.time() + slice_bytes / _MAX_BYTES_PER_SECOND
