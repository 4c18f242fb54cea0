"""The WebSocket endpoints for telephone and voice platforms, which connect to the service.

The first message is that of the platform: nothing is sent before its dialect is known
(`api.dialects`), and then only what this dialect wants. A close code says what a native client
would get as a message.
"""

import asyncio
import logging
from typing import Any

from litestar import websocket

from api.access.audit import audit
from api.access.authorization import effective_user
from api.access.call_access import CallAccess
from api.access.identity import Identity
from api.clock import Clock
from api.dialects.detection import dialect_of
from api.dialects.events import Begin, CallError, Dialect, End, Event, Reply
from api.dialects.names import AUTO
from api.events.authorizer import SessionAuthorizer
from api.observe import log_context
from api.observe.metrics import Metrics
from api.routes.call_recorder import CallRecorder
from api.routes.call_sessions import CallSessions, Owner, input_kind
from api.routes.call_socket import CallSocket, handshake_of
from api.routes.client_socket import RawWebSocket, accept
from api.routes.request import Injected
from api.session.parameters import AudioParameters, user_id
from api.session.session import Session
from api.settings import Settings
from api.wire.errors import ChunkTooLargeError, InvalidCallError, SessionCompletedError

logger = logging.getLogger(__name__)

# How long audio waits for the metadata that says what it is.
_HOLD_SECONDS = 2.0

# Platforms send 20 to 200 ms in a message. Decoding more would block the event loop.
_MAX_MESSAGE_BYTES = 512 * 1024


@websocket(["/api/ws/call", "/api/ws/call/{dialect:str}", "/api/ws/call/{dialect:str}/{token:str}"])
async def call(
    socket: RawWebSocket,
    calls: Injected[CallSessions],
    access: Injected[CallAccess],
    authorizer: Injected[SessionAuthorizer],
    settings: Injected[Settings],
    clock: Injected[Clock],
    metrics: Injected[Metrics],
) -> None:
    """Record a call of the platform that the path names, or the handshake or its messages show."""
    name = socket.path_params.get("dialect", AUTO)
    connection = CallSocket(socket, clock, metrics)
    await _record(connection, name, calls, access, authorizer, settings)


@websocket("/record/{vendor:str}")
async def jambonz_recording(
    socket: RawWebSocket,
    calls: Injected[CallSessions],
    access: Injected[CallAccess],
    authorizer: Injected[SessionAuthorizer],
    settings: Injected[Settings],
    clock: Injected[Clock],
    metrics: Injected[Metrics],
) -> None:
    """Record a call where jambonz expects its own recorder (JAMBONZ_RECORD_WS_BASE_URL)."""
    connection = CallSocket(socket, clock, metrics)
    await _record(connection, "jambonz", calls, access, authorizer, settings)


async def _record(
    connection: CallSocket,
    name: str,
    calls: CallSessions,
    access: CallAccess,
    authorizer: SessionAuthorizer,
    settings: Settings,
) -> None:
    await accept(connection.socket)
    async with connection.reporting_errors():
        try:
            with access.admitting(connection.socket):
                dialect = dialect_of(name, handshake_of(connection.socket))
                call = _Call(connection, dialect, calls, access, authorizer, settings)
                first = await call.wait_for_begin()
            if first is None:
                await connection.close()
            else:
                await call.record(*first)
        except CallError as error:
            raise InvalidCallError(str(error)) from error


class _Call:
    """One connection."""

    def __init__(
        self,
        connection: CallSocket,
        dialect: Dialect,
        calls: CallSessions,
        access: CallAccess,
        authorizer: SessionAuthorizer,
        settings: Settings,
    ) -> None:
        self._connection = connection
        self._dialect = dialect
        self._calls = calls
        self._access = access
        self._authorizer = authorizer
        self._settings = settings
        self._has_ended = False  # by a message or a close frame of the platform
        self._is_connected = True

    async def wait_for_begin(self) -> tuple[Begin, list[Event]] | None:
        """Return `Begin` and the events after it; None if the connection ends without it.

        Raises `CallError` after HANDSHAKE_TIMEOUT_SECONDS.
        """
        timeout_seconds = self._settings.handshake_timeout_seconds
        end = self._connection.clock.monotonic() + timeout_seconds
        stop_waiting_at = end  # then what is held counts without its metadata
        while self._is_connected and not self._has_ended:
            now = self._connection.clock.monotonic()
            if now >= end:
                raise CallError(f"no metadata of a call within {timeout_seconds:g} seconds")
            try:
                async with asyncio.timeout(max(0.0, stop_waiting_at - now)):
                    events = await self._receive()
                held_until = self._connection.clock.monotonic() + _HOLD_SECONDS
                stop_waiting_at = min(stop_waiting_at, held_until)
            except TimeoutError:
                events, stop_waiting_at = self._dialect.stop_waiting(), end
            for index, event in enumerate(events):
                if isinstance(event, Begin):
                    return event, events[index + 1 :]
                if isinstance(event, Reply):
                    await self._connection.send_reply(event.text)
                self._has_ended |= isinstance(event, End)
        return None

    async def record(self, begin: Begin, events: list[Event]) -> None:
        """Record in the session of the call until the platform ends it or disconnects."""
        connection, socket = self._connection, self._connection.socket
        begin, identity = await self._access.admit_call(socket, self._dialect.name, begin)
        user = effective_user(identity, user_id(socket.query_params))
        joined = await connection.hold_during(self._join(user, identity, begin))
        first = connection.take_first()
        if isinstance(joined, Owner):
            connection.note_close(await joined.record(first))
        else:
            await self._record_here(*joined, begin, events)

    async def _record_here(
        self, session: Session, continued_at: int | None, begin: Begin, events: list[Event]
    ) -> None:
        log_context.session_id.set(str(session.session_id))
        logger.info("%s: call recorded: dialect=%s", session.session_id, self._dialect.name)
        try:
            recorder = CallRecorder(
                self._connection,
                session,
                begin,
                max_gap_seconds=self._settings.max_gap_seconds,
                continued_at=continued_at,
            )
            self._connection.record_held = recorder.finish
            if continued_at is not None:
                await session.warn("call_interrupted", "the connection of the call was lost")
            await self._record(recorder, events)
            if self._has_ended:
                audit("closed", self._connection.socket.user, str(session.session_id))
                await session.close()
        except SessionCompletedError:
            pass  # the session ends, and closes the connection
        finally:
            await session.detach(self._connection)

    async def _record(self, recorder: CallRecorder, events: list[Event]) -> None:
        """Record what arrives, also if the last message is refused. Raises why it is."""
        await self._handle(recorder, events)
        try:
            while self._is_connected and not self._has_ended:
                await self._handle(recorder, await self._receive())
        except (CallError, ChunkTooLargeError):
            await recorder.finish()
            raise
        await recorder.finish()

    async def _join(
        self, user: str | None, identity: Identity, begin: Begin
    ) -> tuple[Session, int | None] | Owner:
        """Join a new session, or that of the call, and return where it goes on.

        If another process has the session, return the connection to it.
        """
        connection, socket = self._connection, self._connection.socket
        found = await self._calls.find(connection, user, self._dialect.name, begin)
        if isinstance(found, Owner):
            return found
        continued_at: int | None = None
        if found is not None:
            session = found
            await session.resume(connection)
            continued_at = self._calls.frames_of(session, begin)
            audit("connected", socket.user, str(session.session_id))
        else:
            audio = AudioParameters(begin.sample_rate, begin.channels, input_kind(begin))
            await self._authorizer.check(user, socket.user.address, audio)
            session = await self._calls.create(audio, user, self._dialect.name, begin, identity)
            audit("created", socket.user, str(session.session_id))
            await session.attach(connection)
        connection.session = session
        return session, continued_at

    async def _handle(self, recorder: CallRecorder, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Reply):
                await self._connection.send_reply(event.text)
            elif isinstance(event, End):
                self._has_ended = True
                return
            else:
                await recorder.record(event)

    async def _receive(self) -> list[Event]:
        """Return the events of the next message, or of the end of the connection."""
        message = await self._connection.receive()
        if message["type"] != "websocket.receive":
            self._is_connected = False
            self._has_ended |= self._connection.note_disconnect(message.get("code"))
            return self._dialect.stop_waiting()
        return self._events_of(message)

    def _events_of(self, message: Any) -> list[Event]:
        self._connection.last_received = self._connection.clock.monotonic()
        data = message.get("bytes")
        if data is None:
            return self._dialect.receive_text(message.get("text") or "")
        if len(data) > _MAX_MESSAGE_BYTES:
            raise ChunkTooLargeError(len(data), _MAX_MESSAGE_BYTES)
        return self._dialect.receive_bytes(data)
