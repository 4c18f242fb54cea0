"""The WebSocket endpoint that sends the PCM of a session, also while it is recorded.

Each binary message has the number of its first frame (64 bits, little endian), then whole frames of
16-bit PCM. The handler reads the audio from storage at the speed of the listener, so a slow
listener falls behind and does not slow down the recording.
"""

import asyncio
import contextlib
import re
import struct

from litestar import websocket
from litestar.params import FromPath

from api.access.audit import audit
from api.access.authorization import admit, find_session
from api.clock import Clock
from api.cluster.socket_relay import SocketRelay
from api.observe.metrics import Metrics
from api.routes.client_socket import ClientSocket, RawWebSocket, accept
from api.routes.request import Injected
from api.routes.streaming import Readers
from api.session.found import Found, Live
from api.session.registry import Registry
from api.wire.errors import InvalidParameterError, NodeUnreachableError
from api.wire.messages import SessionMessage, SessionWarnings
from storage.base import Audio
from storage.errors import FencedError
from storage.wav import HEADER_BYTES

_POSITION = struct.Struct("<Q")

# 1.5 seconds of 44.1 kHz mono.
_MESSAGE_BYTES = 128 * 1024

# Chunks recorded within this time are sent as one message.
_BATCH_SECONDS = 0.02

_FROM = ("start", "now")
_FRAME = re.compile("[0-9]{1,15}")


@websocket("/api/ws/audio/{session_id:str}/listen")
async def listen(
    socket: RawWebSocket,
    session_id: FromPath[str],
    registry: Injected[Registry],
    relay: Injected[SocketRelay],
    clock: Injected[Clock],
    readers: Injected[Readers],
    metrics: Injected[Metrics],
) -> None:
    """Send the recorded PCM from a point on, then new PCM, then the final message."""
    connection = ClientSocket(socket, clock, metrics, "listener")
    await accept(socket)
    async with connection.reporting_errors():
        await admit(socket, "read")
        begin = socket.query_params.get("from", _FROM[0])
        if begin not in _FROM and not _FRAME.fullmatch(begin):
            raise InvalidParameterError("from", (*_FROM, "a frame number"))
        found = await find_session(socket)
        if (address := await found.owner()) is not None:
            # If the owner does not answer, send what is persisted.
            with contextlib.suppress(NodeUnreachableError):
                connection.note_close(await relay(socket, address))
                return
        audit("read", socket.user, session_id, reason="listen")
        async with readers.slot(socket.user):
            sending = asyncio.create_task(_send_audio(connection, registry, found, begin))
            disconnecting = asyncio.create_task(_wait_disconnected(connection))
            try:
                done, _ = await asyncio.wait(
                    [sending, disconnecting], return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                for task in (sending, disconnecting):
                    task.cancel()
                await asyncio.gather(sending, disconnecting, return_exceptions=True)
            for task in done:
                task.result()


async def _send_audio(
    connection: ClientSocket, registry: Registry, found: Found, begin: str
) -> None:
    """Send the audio from ``begin`` on; end the connection after the last frame.

    Raises `FencedError` if the session is still active but not live here any more.
    """
    info, frame_bytes = await found.info(), found.manifest.pcm_format.frame_bytes
    frames = round(info.duration_seconds * info.sample_rate)
    frame = {"start": 0, "now": frames}.get(begin)
    position = (int(begin) if frame is None else frame) * frame_bytes
    greeting = SessionMessage(
        message="Listening to session",
        status=info.status,
        sample_rate=info.sample_rate,
        channels=info.channels,
        format="pcm_s16le",
        session_id=info.session_id,
        chunk_count=info.total_chunks,
        persisted_chunk_count=info.persisted_chunk_count,
        duration_seconds=info.duration_seconds,
    )
    SessionWarnings(info.warnings, info.warning_count).apply_to(greeting)
    await connection.send(greeting)
    if isinstance(found, Live):
        position = await _send_live(connection, found, position, frame_bytes)
        found = await registry.lookup(info.session_id)
    position = await _send_from(connection, await found.audio(), position, frame_bytes)
    if found.manifest.status == "active":
        # The session was released, or has no live owner: a client that reconnects reaches the
        # next owner.
        raise FencedError(info.session_id)
    await connection.end_completed(await found.info())


async def _send_live(connection: ClientSocket, found: Live, position: int, frame_bytes: int) -> int:
    """Send PCM until the session has ended; return the byte position after the last frame."""
    session = found.session
    with session.listening():
        while not session.gone.is_set():
            position = await _send_from(connection, await found.audio(), position, frame_bytes)
            await session.wait_for_more(position)
            await asyncio.sleep(_BATCH_SECONDS)
    return position


async def _send_from(
    connection: ClientSocket, audio: Audio, position: int, frame_bytes: int
) -> int:
    """Send ``audio`` from byte ``position`` of its PCM on; return the position of its end."""
    end = audio.size_bytes - HEADER_BYTES
    while position < end:
        stop = min(position + _MESSAGE_BYTES, end)
        pcm = [block async for block in audio.read(HEADER_BYTES + position, HEADER_BYTES + stop)]
        await connection.send_bytes(_POSITION.pack(position // frame_bytes) + b"".join(pcm))
        position = stop
    return position


async def _wait_disconnected(connection: ClientSocket) -> None:
    """Return after the client has disconnected; ignore its messages."""
    while (event := await connection.socket.receive())["type"] == "websocket.receive":
        pass
    connection.note_close(event.get("code"))
