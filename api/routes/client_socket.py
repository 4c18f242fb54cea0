"""The WebSocket of one client."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any, Literal, cast

import msgspec
from litestar import WebSocket
from litestar.types import Receive, Send

from api.access.credentials import SUBPROTOCOL
from api.access.refusals import audit_denial
from api.clock import Clock
from api.liveness import is_alive
from api.observe.metrics import Metrics
from api.session.session import Session
from api.wire.error_answers import error_message
from api.wire.errors import INTERNAL, to_wire_error
from api.wire.messages import (
    ControlMessage,
    ErrorMessage,
    ServerMessage,
    SessionInfo,
    SessionWarnings,
    encode,
)
from storage import receipt

logger = logging.getLogger(__name__)

# A client that does not read must not delay the session that closes its connection.
_CLOSE_SECONDS = 2.0

_NO_CLOSE_FRAME = 1006  # RFC 6455, section 7.4.1

Role = Literal["recorder", "listener"]


class RawWebSocket(WebSocket[Any, Any, Any]):
    """Litestar's WebSocket without its state checks per message.

    The handlers read raw ASGI events and handle the disconnect event themselves.
    """

    def receive_wrapper(self, receive: Receive) -> Receive:
        return receive

    def send_wrapper(self, send: Send) -> Send:
        return send


class ClientSocket:
    """Sends messages and closes the socket; implements `api.session.connection.Connection`."""

    __slots__ = (
        "_close_code",
        "_closed",
        "_handler",
        "_received",
        "_role",
        "clock",
        "is_recording",
        "is_unresponsive",
        "last_received",
        "metrics",
        "session",
        "socket",
        "told_warnings",
    )

    def __init__(self, socket: RawWebSocket, clock: Clock, metrics: Metrics, role: Role) -> None:
        self.session: Session | None = None
        self.metrics = metrics
        self._role = role
        self._close_code: object = None
        self.clock = clock
        self.last_received = clock.monotonic()
        self.socket = socket
        self._closed = False
        self.told_warnings = 0  # how many the client has been told of
        self.is_recording = False  # a chunk is being recorded, which must not be cancelled
        self.is_unresponsive = False
        self._handler = cast("asyncio.Task[None]", asyncio.current_task())
        self._received = asyncio.Event()

    @contextlib.asynccontextmanager
    async def reporting_errors(self) -> AsyncIterator[None]:
        """Send an error raised in the context to the client, then close with its code.

        The metrics count the connection while it is in the context.
        """
        connections = self.metrics.connections.labels(self._role)
        connections.inc()
        try:
            yield
        except asyncio.CancelledError:
            if not self.is_unresponsive:
                raise
        except Exception as error:
            audit_denial(self.socket.scope, error)
            if to_wire_error(error) is INTERNAL:
                session_id = "no session" if self.session is None else self.session.session_id
                logger.exception("%s: connection failed", session_id)
            await self.end(error)
        finally:
            self._received.set()
            connections.dec()
            self.metrics.disconnects.add(str(self._close_code or _NO_CLOSE_FRAME))

    def note_close(self, code: object) -> None:
        """Note the close code of the connection; the first one counts."""
        self._close_code = self._close_code or code

    async def send(self, message: ServerMessage) -> None:
        """Send ``message``, with new warnings of the session, unless the connection is closing.

        If the client has disconnected, this is not an error, because messages that it sent before
        must still be received.
        """
        if self._closed:
            return
        try:
            text = self.encode(message).decode()
            await self.socket.send({"type": "websocket.send", "bytes": None, "text": text})
        except OSError:  # ASGI servers raise it after a disconnect
            self._closed = True

    async def send_bytes(self, data: bytes) -> None:
        """Send audio; wait while the send buffer is full. Raises ``OSError``."""
        self.metrics.traffic.sent_bytes += len(data)
        await self.socket.send({"type": "websocket.send", "bytes": data, "text": None})

    async def end(self, error: Exception) -> None:
        row = to_wire_error(error)
        await self._end(self.error_message(error), row.close_code, row.error)

    async def end_completed(self, info: SessionInfo) -> None:
        message = ControlMessage(
            message="Session closed",
            session_id=info.session_id,
            status=info.status,
            chunk_count=info.total_chunks,
            persisted_chunk_count=info.persisted_chunk_count,
            duration_seconds=info.duration_seconds,
            action="close_session",
        )
        if info.receipt is not None:
            message.receipt_digest = receipt.digest(info.receipt)
        SessionWarnings(info.warnings, info.warning_count).apply_to(message)
        await self._end(message, 1000, message.message)

    async def is_alive(self) -> bool:
        return await is_alive(self.socket.scope)

    async def wait_received(self) -> None:
        await self._received.wait()

    async def hand_over(self) -> None:
        """Do nothing: the session gets every chunk at once."""

    def error_message(self, error: Exception) -> ErrorMessage:
        return error_message(error, None if self.session is None else self.session.counts())

    def encode(self, message: ServerMessage) -> bytes:
        """Encode ``message``; add the session's warnings if the client does not know all."""
        if self.session is None or self.session.warning_count == self.told_warnings:
            return encode(message)
        warnings = self.session.warnings
        self.told_warnings = warnings.total
        warnings.apply_to(message)
        encoded = encode(message)
        message.warnings = message.warning_count = msgspec.UNSET  # the next one may know them
        return encoded

    async def _end(self, message: ServerMessage, code: int, reason: str) -> None:
        self.note_close(code)
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self.send(message)
        except TimeoutError:
            # The client does not read, so its handler is blocked in `send` too. Chunks that are
            # still in the queue are not acknowledged.
            self.is_unresponsive = True
        if not self._closed:
            self._closed = True
            with contextlib.suppress(OSError, TimeoutError):
                # The service's own protocol class never waits here, but uvicorn's may.
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await self.socket.close(code, reason)
        is_waiting = self.is_unresponsive and not self.is_recording
        if is_waiting and self._handler is not asyncio.current_task():
            self._handler.cancel()


async def accept(socket: RawWebSocket) -> None:
    """Accept the handshake before any check, because errors are sent as messages."""
    # A browser closes the connection if it has offered subprotocols and gets none of them.
    offered = socket.scope["subprotocols"]
    chosen = SUBPROTOCOL if SUBPROTOCOL in offered else next(iter(offered), None)
    await socket.accept(subprotocols=chosen)
