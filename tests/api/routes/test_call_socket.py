"""A platform is answered with close codes alone, and any sign of life keeps its connection."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from websockets.frames import Frame, Opcode

from api.clock import SystemClock
from api.dialects.events import CallError
from api.observe.metrics import Metrics
from api.routes.call_socket import CallSocket
from api.routes.client_socket import RawWebSocket
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


END = {"type": "websocket.disconnect", "code": 1006}


def message(number: int, size_bytes: int = 160) -> dict[str, Any]:
    return {"type": "websocket.receive", "bytes": bytes([number]) * size_bytes, "text": None}


def call_socket(messages: asyncio.Queue[Any]) -> CallSocket:
    async def send(_: Any) -> None:
        """Nothing is sent."""

    scope = {"type": "websocket", "headers": []}
    socket = RawWebSocket(cast("Any", scope), cast("Any", messages.get), send)
    return CallSocket(socket, SystemClock(), Metrics())


async def test_messages_that_arrive_while_the_session_is_found_are_held_in_order() -> None:
    arriving = asyncio.Queue[Any]()
    connection, found = call_socket(arriving), asyncio.Event()
    arriving.put_nowait(message(0))
    assert await connection.receive() == message(0)
    finding = asyncio.create_task(connection.hold_during(found.wait()))
    for number in range(1, 9):
        arriving.put_nowait(message(number))
    await eventually(arriving.empty, awaiting="all messages received")
    found.set()
    assert await finding
    arriving.put_nowait(END)
    assert connection.take_first() == [message(number) for number in range(9)]
    others = [asyncio.create_task(asyncio.sleep(0)) for _ in range(2)]
    await connection.receive()
    await connection.receive()
    assert all(each.done() for each in others)  # they run in between
    received = [await connection.receive() for _ in range(7)]
    assert received == [*[message(number) for number in range(3, 9)], END]


async def test_no_more_messages_are_received_when_four_mebibytes_are_held() -> None:
    arriving = asyncio.Queue[Any]()
    connection, found = call_socket(arriving), asyncio.Event()
    finding = asyncio.create_task(connection.hold_during(found.wait()))
    for number in range(10):
        arriving.put_nowait(message(number, 1024 * 1024))
    await eventually(lambda: connection.is_full, awaiting="the limit")
    found.set()
    await finding
    assert arriving.qsize() == 10 - 4
    assert len(connection.take_first()) == 4


async def test_a_connection_with_too_much_in_front_of_its_metadata_is_refused() -> None:
    arriving = asyncio.Queue[Any]()
    connection = call_socket(arriving)
    for number in range(4):
        arriving.put_nowait(message(number, 1024 * 1024))
    with pytest.raises(CallError, match="too much data"):
        for _ in range(4):
            await connection.receive()
