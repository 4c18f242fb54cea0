"""The two WebSocket endpoints: they own the socket and nothing else.

A message comes in, the session records it, an acknowledgement goes out. Whatever ends a
connection sends its reason as a message first, then closes with the code of the table in
`api.errors`.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from litestar import WebSocket, websocket
from litestar.params import FromPath
from litestar.types import Receive, Send

from api.dependencies import Injected
from api.errors import (
    INTERNAL,
    ChunkTooLargeError,
    DecodeError,
    InvalidMessageError,
    InvalidParameterError,
    SessionCompletedError,
    wire,
)
from api.messages import (
    ACTIONS,
    Action,
    ChunkMessage,
    ControlMessage,
    ErrorMessage,
    ServerMessage,
    SessionInfo,
    SessionMessage,
    decode_control,
    encode,
)
from api.session.clock import Clock
from api.session.parameters import audio_parameters, user_id
from api.session.registry import Registry
from api.session.session import Session
from api.settings import Settings

logger = logging.getLogger(__name__)


class Socket(WebSocket[Any, Any, Any]):
    """Litestar's WebSocket without its bookkeeping around every message.

    The loop below reads raw ASGI events and sees a disconnect for itself.
    """

    def receive_wrapper(self, receive: Receive) -> Receive:
        return receive

    def send_wrapper(self, send: Send) -> Send:
        return send


_PROCESSED = "Chunk processed successfully"
_FLAGS = {"true": True, "false": False, "1": True, "0": False}

# A client that reads nothing must not hold up whoever wants to tell it goodbye.
_GOODBYE_SECONDS = 5.0

_ANSWERS: dict[Action, str] = {
    "close_session": "Session closed",
    "flush": "Session flushed",
    "keep_alive": "Connection kept alive",
    "status": "Session status",
}


@websocket("/api/ws/audio")
async def new_session(
    socket: Socket,
    registry: Injected[Registry],
    settings: Injected[Settings],
    clock: Injected[Clock],
) -> None:
    """Create a session and stream to it."""
    connection = SocketConnection(socket, clock)
    await socket.accept()
    async with connection.reporting():
        parameters = audio_parameters(socket.query_params, settings)
        session = await registry.create(parameters, user_id(socket.query_params))
        connection.session = session
        await session.attach(connection)
        await _stream(connection, session, "Session created", settings)


@websocket("/api/ws/audio/{session_id:str}")
async def existing_session(
    socket: Socket,
    session_id: FromPath[str],
    registry: Injected[Registry],
    settings: Injected[Settings],
    clock: Injected[Clock],
) -> None:
    """Stream to a session that exists."""
    connection = SocketConnection(socket, clock)
    await socket.accept()
    async with connection.reporting():
        resume = _flag(socket, "resume")
        user_id(socket.query_params)
        connection.session = session = await registry.open(session_id)
        if resume:
            await session.resume(connection)
        else:
            await session.attach(connection)
        await _stream(connection, session, "Session resumed", settings)


class SocketConnection:
    """One WebSocket, as the session sees it (`api.session.session.Connection`)."""

    def __init__(self, socket: Socket, clock: Clock) -> None:
        self.session: Session | None = None
        self.clock = clock
        self.last_received = clock.monotonic()
        self.socket = socket
        self._closed = False
        self._received = asyncio.Event()

    @contextlib.asynccontextmanager
    async def reporting(self) -> AsyncIterator[None]:
        """Whatever goes wrong inside is told to the client as a message, then by the close code."""
        try:
            yield
        except Exception as error:
            if wire(error) is INTERNAL:
                logger.exception("a connection failed")
            await self.end(error)
        finally:
            self._received.set()

    async def send(self, message: ServerMessage) -> None:
        """Send ``message`` unless the connection is closing.

        A peer that is gone is no error here: what it had sent before is still to be received.
        """
        if self._closed:
            return
        try:
            await self.socket.send(
                {"type": "websocket.send", "bytes": None, "text": encode(message).decode()}
            )
        except OSError:  # what ASGI servers raise for a connection that is lost
            self._closed = True

    async def end(self, error: Exception) -> None:
        row = wire(error)
        await self._end(self.error_message(error), row.close_code, row.error)

    async def end_completed(self, info: SessionInfo) -> None:
        message = ControlMessage(
            message=_ANSWERS["close_session"],
            session_id=info.session_id,
            status=info.status,
            chunk_count=info.total_chunks,
            persisted_chunk_count=info.persisted_chunk_count,
            duration_seconds=info.duration_seconds,
            action="close_session",
        )
        await self._end(message, 1000, message.message)

    async def wait_received(self) -> None:
        await self._received.wait()

    def error_message(self, error: Exception) -> ErrorMessage:
        row = wire(error)
        details: dict[str, Any] = {"session_id": getattr(error, "session_id", None)}
        if self.session is not None:
            details = _counts(self.session)
        if (valid_values := getattr(error, "valid_values", None)) is not None:
            details["valid_values"] = list(valid_values)
        return ErrorMessage(
            message="Failed to process chunk" if isinstance(error, DecodeError) else row.error,
            status="error",
            error=row.error,
            code=row.code,
            **details,
        )

    async def _end(self, message: ServerMessage, code: int, reason: str) -> None:
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await self.send(message)
                if not self._closed:
                    self._closed = True
                    await self.socket.close(code, reason)
        self._closed = True


async def _stream(
    connection: SocketConnection, session: Session, greeting: str, settings: Settings
) -> None:
    """Greet, then receive until the connection ends, whoever ends it."""
    manifest = session.recording.manifest
    try:
        await connection.send(
            SessionMessage(
                message=greeting,
                status="active",
                sample_rate=manifest.sample_rate,
                channels=manifest.channels,
                format=manifest.format,
                **_counts(session),
            )
        )
        await _receive(connection, session, settings.max_chunk_size_bytes)
    finally:
        await session.detach(connection)


async def _receive(connection: SocketConnection, session: Session, limit_bytes: int) -> None:
    """The loop that everything goes through: a message in, an answer out."""
    receive, clock = connection.socket.receive, connection.clock
    # One acknowledgement, with new counts each time: nothing but numbers changes.
    ack = ChunkMessage(message=_PROCESSED, status="active", **_counts(session))
    while (event := await receive())["type"] == "websocket.receive":
        connection.last_received = clock.monotonic()
        chunk = event.get("bytes")
        if chunk is None:
            await _control(connection, session, event.get("text") or "")
            continue
        if len(chunk) > limit_bytes:
            raise ChunkTooLargeError(len(chunk), limit_bytes)
        try:
            await session.receive(connection, chunk)
        except DecodeError as error:
            await connection.send(connection.error_message(error))
            continue
        except SessionCompletedError:
            continue  # it came too late; whatever ended the session is telling the client
        ack.chunk_count = session.chunk_count
        ack.persisted_chunk_count = session.persisted_chunk_count
        ack.duration_seconds = session.duration_seconds
        await connection.send(ack)


async def _control(connection: SocketConnection, session: Session, text: str) -> None:
    try:
        action = decode_control(text).action
    except msgspec.DecodeError:  # ValidationError is one, too
        await connection.send(connection.error_message(InvalidMessageError(ACTIONS)))
        return
    if action == "close_session":
        await session.close()
        return
    if action == "flush":
        await session.flush()
    await connection.send(
        ControlMessage(message=_ANSWERS[action], status="active", action=action, **_counts(session))
    )


def _counts(session: Session) -> dict[str, Any]:
    """What every message says of its session."""
    return {
        "session_id": session.recording.manifest.session_id,
        "chunk_count": session.chunk_count,
        "persisted_chunk_count": session.persisted_chunk_count,
        "duration_seconds": session.duration_seconds,
    }


def _flag(socket: Socket, parameter: str) -> bool:
    value = socket.query_params.get(parameter, "false").lower()
    if value not in _FLAGS:
        raise InvalidParameterError(parameter, tuple(_FLAGS))
    return _FLAGS[value]
