"""A platform is answered with close codes alone, and any sign of life keeps its connection."""

import asyncio
from collections.abc import Callable

from websockets.frames import Frame, Opcode

from tests.audio import pcm
from tests.calls import dial, only_session, send, sessions
from tests.eventually import eventually
from tests.platforms import binary
from tests.service import Service

AUDIO = pcm(8000)


async def test_an_offered_subprotocol_is_echoed(service: Service) -> None:
    async with dial(service, subprotocols=("audio.drachtio.org",)) as socket:
        assert socket.subprotocol == "audio.drachtio.org"


async def test_a_pong_of_any_payload_keeps_the_connection(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(ping_interval_seconds=0.2, ping_timeout_seconds=0.4)
    pings = asyncio.Queue[None]()
    async with dial(service) as socket:
        protocol, receive = socket.protocol, socket.protocol.recv_frame

        def recv_frame(frame: Frame) -> None:
            if frame.opcode is Opcode.PING:  # as LiveKit answers: not with the payload of the ping
                protocol.send_pong(b"pong")
                protocol.events.append(frame)
                pings.put_nowait(None)
            else:
                receive(frame)

        protocol.recv_frame = recv_frame  # type: ignore[method-assign]
        await send(socket, [binary.jambonz(), AUDIO])
        for _ in range(6):  # the second timeout would be over
            await asyncio.wait_for(pings.get(), 5)
        await socket.send(AUDIO)
    session = await only_session(service)
    assert service.pcm(session["session_id"]) == AUDIO * 2


async def test_a_connection_that_the_service_gives_up_completes_no_session(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(ping_interval_seconds=0.2, ping_timeout_seconds=0.3)
    async with dial(service) as socket:
        await send(socket, [binary.jambonz(), AUDIO])
        await only_session(service, status="active", seconds=1)
        socket.transport.pause_reading()  # no pong is sent any more

        async def connections() -> int:
            (session,) = await sessions(service)
            return int(session["connections"])

        await eventually(connections, lambda count: not count, awaiting="the end of the connection")
    await only_session(service, status="active", seconds=1)
