"""uvicorn's WebSocket protocol, made fast and bounded.

`api.server.round_robin` makes it fair, and `api.server.keepalive` finds clients that are gone.

A binary message goes to the callback of the handler (`api.message_callback`) within the call that
brings its bytes: no ASGI event, queue or task switch. A message that is one frame, as nearly all
are, does not pass websockets' parser either.

What the protocol sends by itself is bounded: of the pongs that a client does not read only the
newest is kept, and a connection that is closed is aborted if the client does not read what is
buffered for it.
"""

import asyncio
import logging
import struct
from typing import Any, cast

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from websockets.frames import CloseCode, Frame
from websockets.protocol import State

from api.message_callback import EXTENSION, MessageCallback
from api.server.frame_buffer import binary_message
from api.server.keepalive import KeepaliveProtocol
from api.server.large_message import LargeMessage, is_large
from api.server.round_robin import IMMEDIATE_BYTES

# websockets repeats what uvicorn logs about each connection.
_logger = logging.getLogger("websockets.server")
_logger.setLevel(logging.WARNING)

# Of one message. Proxies and C clients send frames of a few kilobytes; a fragment of one byte, or
# none, takes more than a hundred bytes of memory until its message is complete.
_MAX_FRAGMENTS = 16 * 1024

# Of a text message: the longest ones, of call platforms, have a second of audio in base64. The text
# is decoded on the event loop, which takes up to 80 ms for 10 MB.
MAX_TEXT_BYTES = 1024 * 1024

# How long a client may take to answer a close frame, and then to read what is buffered for it.
_CLOSE_SECONDS = 5.0

# The first bytes of frames.
_PONG = 0x8A
_TEXT = 0x81

_LENGTH_OF_16_BITS = 126  # of a payload of these sizes:
_MIN_16_BITS, _MAX_16_BITS = 126, 0xFFFF
_pack_head = struct.Struct("!BBH").pack


class WebSocketProtocol(KeepaliveProtocol):
    """The protocol class of this service for uvicorn."""

    __slots__ = (
        "_callback",
        "_is_closing",
        "_is_writable",
        "_max_message_bytes",
        "_max_text_bytes",
        "_write",
    )

    def __init__(self, *args: Any, max_text_bytes: int | None = None, **kwargs: Any) -> None:
        """Take texts as large as other messages if ``max_text_bytes`` is None."""
        super().__init__(*args, **kwargs)
        self.conn.logger = _logger
        self._max_message_bytes = self.config.ws_max_size
        self._max_text_bytes = max_text_bytes or self._max_message_bytes
        self.close_timeout = _CLOSE_SECONDS
        self._callback: MessageCallback | None = None
        self._is_writable = True  # as `writable`, whose method would take time on the hot path
        self._pong = b""  # to be sent as soon as the client reads

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.limit_closing(_CLOSE_SECONDS)  # type: ignore[attr-defined]
        # For every message. An attribute of the watched transport takes longer to find.
        self._write, self._is_closing = self.transport.write, self.transport.is_closing

    @property
    def extensions(self) -> dict[str, Any]:
        return {**super().extensions, EXTENSION: self._set_callback}

    def data_received(self, data: bytes) -> None:
        callback = self._callback
        # The hot path: all of it is true for nearly every read of a session.
        if (
            callback is not None
            and self._is_writable
            and self.queue.is_awaited
            and not self.unparsed
            and not self.close_sent
            and self.conn.current_size is None
            and len(data) <= IMMEDIATE_BYTES
            and (message := binary_message(data)) is not None
            and len(message) <= self._max_message_bytes
        ):
            self.has_traffic = True
            self._call(callback, message)
        else:
            super().data_received(data)

    def frame_received(self, frame: bytes) -> None:
        if self.conn.state is not State.OPEN or not self._take(frame):
            super().frame_received(frame)

    def handle_ping(self) -> None:
        """Send the pong. While the client does not read, keep the newest one only."""
        frames = self.conn.data_to_send()
        if self.is_lost or self.close_sent:
            return
        if self.writable.is_set():
            self.transport.write(b"".join(frames))
            return
        for frame in frames:
            if frame and frame[0] == _PONG:
                self._pong = frame
            else:
                self.transport.write(frame)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._is_writable = False

    def resume_writing(self) -> None:
        super().resume_writing()
        self._is_writable = True
        pong, self._pong = self._pong, b""
        if pong and not self.close_sent and not self.transport.is_closing():
            self.transport.write(pong)

    def handle_cont(self, event: Frame) -> None:
        if self.close_sent:
            return
        if len(self.frames) >= _MAX_FRAGMENTS:
            self._fail(CloseCode.MESSAGE_TOO_BIG, f"more than {_MAX_FRAGMENTS} fragments")
            return
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        fragments, self.frames = self.frames, []
        if self.close_sent:
            return
        if self.curr_msg_data_type == "text":
            self._pass_text_on(fragments)
        elif is_large(fragments):
            self._put(LargeMessage(fragments))
        else:
            self._pass_on(b"".join(fragments))

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

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        self._callback = None

    def _set_callback(self, callback: MessageCallback) -> None:
        self._callback = callback

    def _take(self, data: bytes) -> bool:
        """Pass ``data`` on if it is exactly one binary message that the parser would accept."""
        if self.close_sent or self.conn.current_size is not None:
            return False
        message = binary_message(data)
        if message is None or len(message) > self._max_message_bytes:
            return False
        self._pass_on(message)
        return True

    def _pass_on(self, message: bytes) -> None:
        """Give a binary message to the callback, or queue it for the handler.

        The callback is called while the handler waits for the next message and has received all
        others, and the client reads.
        """
        if self._callback is None or not self.queue.is_awaited or not self._is_writable:
            self._queue(message)
        else:
            self._call(self._callback, message)

    def _call(self, callback: MessageCallback, message: bytes) -> None:
        """Send what the callback answers to ``message``."""
        try:
            answer = callback(message)
        except Exception as error:  # noqa: BLE001 - `receive` raises it
            self.queue.put_nowait(cast("Any", error))
            return
        if answer is None:
            self._queue(message)
        elif _MIN_16_BITS <= len(answer) <= _MAX_16_BITS:  # as nearly all are
            if not self._is_closing():
                self._write(_pack_head(_TEXT, _LENGTH_OF_16_BITS, len(answer)) + answer)
        elif not self._is_closing():
            self.conn.send_text(answer)
            self._write(b"".join(self.conn.data_to_send()))

    def _pass_text_on(self, fragments: list[bytes]) -> None:
        """Queue a text message for the handler; close if it is too long, or not UTF-8."""
        if sum(map(len, fragments)) > self._max_text_bytes:
            self._fail(
                CloseCode.MESSAGE_TOO_BIG, f"a text of more than {self._max_text_bytes} bytes"
            )
            return
        try:
            text = b"".join(fragments).decode()
        except UnicodeDecodeError:  # the client's fault: no error to log
            self._fail(CloseCode.INVALID_DATA, "invalid UTF-8")
            return
        self._put({"type": "websocket.receive", "text": text})

    def _queue(self, message: bytes) -> None:
        self._put({"type": "websocket.receive", "bytes": message})

    def _put(self, event: ASGIReceiveEvent | LargeMessage) -> None:
        self.queue.put_nowait(event)
        self._pause_reading()

    def _fail(self, code: CloseCode, reason: str) -> None:
        self.frames = []
        self.conn.fail(code, reason)
        self.handle_parser_exception()
