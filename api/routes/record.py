"""The two WebSocket endpoints that receive audio: for a new session and for an existing one.

A chunk that can be recorded in one call is recorded and acknowledged where its bytes arrive
(`api.message_callback`). A handler receives all other messages, and every message under a server
without this extension.
Before a connection is closed with an error, the client gets the error as a message; the close code
comes from the table in `api.wire.errors`.
"""

from collections.abc import Awaitable, Callable

import msgspec
from litestar import websocket
from litestar.params import FromPath

from api.access.audit import audit
from api.access.authorization import admit, effective_user, find_session
from api.audio.formats import DecodeError
from api.clock import Clock
from api.cluster.socket_relay import SocketRelay
from api.events.authorizer import SessionAuthorizer
from api.message_callback import MessageCallback, set_message_callback
from api.observe import log_context
from api.observe.metrics import Metrics
from api.routes.client_socket import ClientSocket, RawWebSocket, accept
from api.routes.request import Injected
from api.session.parameters import (
    AudioParameters,
    audio_parameters,
    details,
    mark_label,
    metadata_in,
    user_id,
)
from api.session.registry import Registry
from api.session.session import Session
from api.settings import Settings
from api.wire.errors import (
    ChunkTooLargeError,
    InvalidMessageError,
    InvalidParameterError,
    SessionCompletedError,
    TooManyMarksError,
)
from api.wire.messages import (
    ACTIONS,
    Action,
    ChunkMessage,
    ControlMessage,
    SessionMessage,
    decode_control,
    encode,
)
from storage.details import Details
from storage.errors import OwnedElsewhereError

_PROCESSED = "Chunk processed successfully"
_FLAGS = {"true": True, "false": False, "1": True, "0": False}

_ANSWERS: dict[Action, str] = {
    "flush": "Session flushed",
    "keep_alive": "Connection kept alive",
    "mark": "Mark added",
    "pause": "Recording paused",
    "resume": "Recording resumed",
    "status": "Session status",
}


@websocket("/api/ws/audio")
async def new_session(
    socket: RawWebSocket,
    registry: Injected[Registry],
    settings: Injected[Settings],
    default_audio: Injected[AudioParameters],
    clock: Injected[Clock],
    authorizer: Injected[SessionAuthorizer],
    metrics: Injected[Metrics],
) -> None:
    """Create a session and record the audio that the client sends."""
    connection = ClientSocket(socket, clock, metrics, "recorder")
    await accept(socket)
    async with connection.reporting_errors():
        identity = await admit(socket, "record")
        parameters = audio_parameters(socket.query_params, default_audio)
        user = effective_user(identity, user_id(socket.query_params))
        await authorizer.check(user, socket.user.address, parameters)
        session = await registry.create(
            parameters, user, _details(socket), is_admin=identity.has_admin_reserve
        )
        connection.session = session
        log_context.session_id.set(str(session.session_id))
        audit("created", socket.user, str(session.session_id))
        await _stream(connection, session, session.attach, "Session created", settings)


@websocket("/api/ws/audio/{session_id:str}")
async def existing_session(
    socket: RawWebSocket,
    session_id: FromPath[str],
    registry: Injected[Registry],
    relay: Injected[SocketRelay],
    settings: Injected[Settings],
    clock: Injected[Clock],
    metrics: Injected[Metrics],
) -> None:
    """Record the audio that the client sends in an existing session."""
    connection = ClientSocket(socket, clock, metrics, "recorder")
    await accept(socket)
    async with connection.reporting_errors():
        identity = await admit(socket, "record")
        resume = _flag(socket, "resume")
        effective_user(identity, user_id(socket.query_params))
        try:
            session = await registry.open(await find_session(socket))
        except OwnedElsewhereError as owner:
            connection.note_close(await relay(socket, owner.address))
            return
        connection.session = session
        audit("connected", socket.user, session_id)
        join = session.resume if resume else session.attach
        await _stream(connection, session, join, "Session resumed", settings)


async def _stream(
    connection: ClientSocket,
    session: Session,
    join: Callable[[ClientSocket], Awaitable[None]],
    greeting: str,
    settings: Settings,
) -> None:
    """Join the session, send the greeting, then receive until the connection ends."""
    manifest = session.recording.manifest
    try:
        await join(connection)
        await connection.send(
            SessionMessage(
                message=greeting,
                status="active",
                sample_rate=manifest.sample_rate,
                channels=manifest.channels,
                format=manifest.format,
                paused=session.is_paused,
                **session.counts()._asdict(),
            )
        )
        await _receive(connection, session, settings.max_chunk_size_bytes)
    finally:
        await session.detach(connection)


def _immediate_recorder(
    connection: ClientSocket, session: Session, limit_bytes: int, ack: ChunkMessage
) -> MessageCallback:
    """Return the hot path: a function that records a chunk and returns the acknowledgement.

    It returns None if it cannot record the chunk in one call; then `_receive` does.
    """
    monotonic, receive_now = connection.clock.monotonic, session.receive_now
    count_in, encode_ack = session.count_in, encode
    traffic, observe_ack = connection.metrics.traffic, connection.metrics.chunk_ack.observe

    def record_now(chunk: bytes) -> bytes | None:
        connection.last_received = began = monotonic()
        try:
            if len(chunk) > limit_bytes or not receive_now(connection, chunk):
                return None
        except SessionCompletedError:
            return None
        is_told = count_in(ack) == connection.told_warnings
        answer = encode_ack(ack) if is_told else connection.encode(ack)
        traffic.chunks += 1
        traffic.received_bytes += len(chunk)
        observe_ack(monotonic() - began)
        return answer

    return record_now


async def _receive(connection: ClientSocket, session: Session, limit_bytes: int) -> None:
    """Receive messages and answer each of them, until the connection ends."""
    receive, clock = connection.socket.receive, connection.clock
    # One object for all acknowledgements, because only the counts change; another one in a pause.
    ack = ChunkMessage(message=_PROCESSED, status="active", **session.counts()._asdict())
    paused_ack = msgspec.structs.replace(ack, paused=True)
    record_now = _immediate_recorder(connection, session, limit_bytes, ack)
    set_message_callback(connection.socket.scope, record_now)
    while (event := await receive())["type"] == "websocket.receive":
        connection.last_received = began = clock.monotonic()
        chunk = event.get("bytes")
        if chunk is None:
            await _control(connection, session, event.get("text") or "")
            continue
        if len(chunk) > limit_bytes:
            raise ChunkTooLargeError(len(chunk), limit_bytes)
        connection.is_recording = True
        try:
            if not session.receive_now(connection, chunk):
                await session.receive(connection, chunk)
        except DecodeError as error:
            await connection.send(connection.error_message(error))
            continue
        except SessionCompletedError:
            continue  # the session is ending; its final message or an error is the answer
        finally:
            connection.is_recording = False
        if connection.is_unresponsive:
            return
        answer = paused_ack if session.is_paused else ack
        session.count_in(answer)
        await connection.send(answer)
        connection.metrics.traffic.chunks += 1
        connection.metrics.traffic.received_bytes += len(chunk)
        connection.metrics.chunk_ack.observe(clock.monotonic() - began)
    connection.note_close(event.get("code"))


async def _control(connection: ClientSocket, session: Session, text: str) -> None:
    try:
        control = decode_control(text)
        action = control.action
        label = mark_label(control.label) if action == "mark" else ""
    except InvalidParameterError as error:
        await connection.send(connection.error_message(error))
        return
    except (msgspec.DecodeError, RecursionError):  # ValidationError is a DecodeError, too
        await connection.send(connection.error_message(InvalidMessageError(ACTIONS)))
        return
    if action == "close_session":
        audit("closed", connection.socket.user, str(session.session_id))
        await session.close()
        return
    await session.warn_of_damage()
    match action:
        case "flush":
            await session.flush()
        case "pause":
            await session.pause()
            audit("paused", connection.socket.user, str(session.session_id))
        case "resume":
            await session.resume_recording()
            audit("resumed", connection.socket.user, str(session.session_id))
        case "mark":
            try:
                await session.mark(label)
            except TooManyMarksError as error:
                await connection.send(connection.error_message(error))
                return
    await connection.send(
        ControlMessage(
            message=_ANSWERS[action], status="active", action=action, **session.counts()._asdict()
        )
    )


def _details(socket: RawWebSocket) -> Details:
    query = socket.query_params
    return details({"title": query.get("title"), "metadata": metadata_in(query.multi_items())})


def _flag(socket: RawWebSocket, parameter: str) -> bool:
    value = socket.query_params.get(parameter, "false").lower()
    if value not in _FLAGS:
        raise InvalidParameterError(parameter, tuple(_FLAGS))
    return _FLAGS[value]
