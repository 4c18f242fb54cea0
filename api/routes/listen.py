"""Hearing a session while it is recorded: a WebSocket that gives its PCM, from any point on.

Every binary message begins with the position of its first frame (64 bits, little endian), and
goes on with whole frames of 16-bit PCM. What is sent is read back from where it is recorded, at
the pace of who listens: a slow listener falls behind, and costs nobody anything.
"""

import asyncio
import re
import struct

from litestar import websocket
from litestar.params import FromPath

from api.access.audit import audit
from api.access.authorization import admit
from api.clock import Clock
from api.cluster.relay import relay_socket
from api.routes.client_socket import ClientSocket, RawWebSocket, accept
from api.routes.request import Injected
from api.session.registry import Registry
from api.session.session import Session
from api.settings import Settings
from api.wire.errors import InvalidParameterError
from api.wire.messages import SessionInfo, SessionMessage
from storage.errors import FencedError, OwnedElsewhereError
from storage.wav import HEADER_BYTES

_POSITION = struct.Struct("<Q")

# A message holds a second and a half of 44.1 kHz mono at most, or what there is.
_MESSAGE_BYTES = 128 * 1024

# Chunks that come within this time are given together.
_TOGETHER_SECONDS = 0.02

_FROM = ("start", "now")
_FRAME = re.compile("[0-9]{1,15}")


@websocket("/api/ws/audio/{session_id:str}/listen")
async def listen(
    socket: RawWebSocket,
    session_id: FromPath[str],
    registry: Injected[Registry],
    settings: Injected[Settings],
    clock: Injected[Clock],
) -> None:
    """Give a session's PCM as it is recorded, and what was before; then how it ended."""
    connection = ClientSocket(socket, clock)
    await accept(socket)
    async with connection.reporting():
        await admit(socket, "read")
        begin = socket.query_params.get("from", _FROM[0])
        if begin not in _FROM and not _FRAME.fullmatch(begin):
            raise InvalidParameterError("from", (*_FROM, "the number of a frame"))
        try:
            session = await registry.find(session_id)
        except OwnedElsewhereError as owner:
            await relay_socket(
                socket,
                owner,
                max_size_bytes=settings.max_message_size_bytes,
                silence_seconds=settings.lease_seconds,
            )
            return
        audit("read", socket.user, session_id, reason="listen")
        info = session.info() if session else await registry.info(session_id)
        giving = asyncio.create_task(_give(connection, registry, session, info, begin))
        hearing = asyncio.create_task(_until_gone(socket))
        done, _ = await asyncio.wait([giving, hearing], return_when=asyncio.FIRST_COMPLETED)
        for task in (giving, hearing):
            task.cancel()
        await asyncio.gather(giving, hearing, return_exceptions=True)
        for task in done:
            task.result()


async def _give(
    connection: ClientSocket,
    registry: Registry,
    session: Session | None,
    info: SessionInfo,
    begin: str,
) -> None:
    frame_bytes = 2 * info.channels
    frames = round(info.duration_seconds * info.sample_rate)
    position = {"start": 0, "now": frames}.get(begin, -1)
    position = (int(begin) if position < 0 else position) * frame_bytes
    await connection.send(
        SessionMessage(
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
    )
    if session is not None:
        with session.listening():
            while not session.gone.is_set():
                position = await _give_from(
                    connection, registry, info.session_id, position, frame_bytes
                )
                await session.wait_for_more(position)
                await asyncio.sleep(_TOGETHER_SECONDS)
        info = await registry.info(info.session_id)
        if info.status == "active":  # it was only let go: who listens finds it again
            raise FencedError(info.session_id)
    await _give_from(connection, registry, info.session_id, position, frame_bytes)
    await connection.end_completed(info)


async def _give_from(
    connection: ClientSocket,
    registry: Registry,
    session_id: str,
    position: int,
    frame_bytes: int,
) -> int:
    """Give what there is from byte ``position`` on; where that ends."""
    try:
        audio = await registry.audio(session_id)
    except OwnedElsewhereError as error:
        raise FencedError(session_id) from error
    end = audio.size_bytes - HEADER_BYTES
    while position < end:
        stop = min(position + _MESSAGE_BYTES, end)
        pcm = [block async for block in audio.read(HEADER_BYTES + position, HEADER_BYTES + stop)]
        await connection.send_bytes(_POSITION.pack(position // frame_bytes) + b"".join(pcm))
        position = stop
    return position


async def _until_gone(socket: RawWebSocket) -> None:
    """A listener has nothing to say."""
    while (await socket.receive())["type"] == "websocket.receive":
        pass
