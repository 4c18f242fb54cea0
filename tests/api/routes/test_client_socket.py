"""A client's WebSocket: messages, errors before the close, and a client that does not read."""

import asyncio
import socket
from collections.abc import Callable

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect

from api.routes.client_socket import ClientSocket
from api.session.connection import Connection
from tests.audio import pcm
from tests.bad_clients import HANDSHAKE
from tests.eventually import eventually
from tests.service import Service


def as_connection(client: ClientSocket) -> Connection:
    """Prove to the type checker that a session can use the socket."""
    return client


def test_the_subprotocol_that_carries_a_token_is_accepted(service: Service) -> None:
    with connect(service.ws_url, subprotocols=["bearer", "x"]) as client:  # type: ignore[list-item]
        assert client.subprotocol == "bearer"
    with connect(service.ws_url) as client:
        assert client.subprotocol is None


async def test_an_error_arrives_as_a_message_before_its_close_code(service: Service) -> None:
    async with service.connect(sample_rate=1) as client:
        message = await client.receive()
        assert (message["type"], message["code"]) == ("error", "invalid_sample_rate")
        assert message["valid_values"] == [8000, 16000, 22050, 44100, 48000, 96000]
        assert await client.closed() == (1008, message["error"])


async def test_every_connection_gets_the_final_message(service: Service) -> None:
    async with service.session() as first, service.session(f"/{first.session_id}") as second:
        await first.send(pcm(100))
        closed = await first.close_session()
        final = await second.receive()
        assert final == closed
        assert (final["type"], final["chunk_count"], final["status"]) == ("control", 1, "completed")
        assert await second.closed() == (1000, "Session closed")
        with pytest.raises(ConnectionClosed):
            await second.send(pcm(1))


async def test_a_client_that_does_not_read_does_not_delay_the_close(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    frame = Frame(Opcode.BINARY, bytes(64)).serialize(mask=True)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", service.port))
        client.sendall(HANDSHAKE)
        client.recv(1)
        client.settimeout(1)
        with pytest.raises(TimeoutError):  # the service reads no more: its answers are not read
            for _ in range(1000):
                await asyncio.to_thread(client.sendall, frame * 1000)
        (session,) = service.get("/api/audio/sessions").json()["sessions"]
        closed = service.post(f"/api/audio/sessions/{session['session_id']}/close").json()
        assert closed["session"]["status"] == "completed"
        await eventually(
            lambda: service.get(f"/api/audio/sessions/{session['session_id']}").json(),
            lambda info: info["connections"] == 0,
            awaiting="no connection",
        )
    assert service.stop() == 0
