"""Connections that flood the service are served in turns, without loss or reordering."""

import random
import socket
import sys
from collections.abc import Iterator

import pytest
from websockets.frames import Frame, Opcode

from tests.api.server.test_websocket_protocol import session_of
from tests.api.server.wire import MAX_MESSAGE_BYTES, Conversation, Handler
from tests.audio import pcm
from tests.bad_clients import HANDSHAKE
from tests.service import Service


def frames(data: bytes, sizes: list[int]) -> tuple[bytes, int]:
    """Return ``data`` as frames of random ``sizes`` with pings and fragments, and their number."""
    pick, sent, start, chunks = random.Random(len(data)), bytearray(), 0, 0
    while start < len(data):
        piece = data[start : start + pick.choice(sizes)]
        start += len(piece)
        chunks += 1
        if pick.random() < 0.1:
            sent += Frame(Opcode.BINARY, piece[:3], fin=False).serialize(mask=True)
            sent += Frame(Opcode.PING, b"there?").serialize(mask=True)
            sent += Frame(Opcode.CONT, piece[3:]).serialize(mask=True)
        else:
            sent += Frame(Opcode.BINARY, piece).serialize(mask=True)
    return bytes(sent), chunks


@pytest.fixture
def connection(service: Service) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall(HANDSHAKE)
        yield connection


@pytest.mark.parametrize(
    "sizes",
    [[1, 2, 3], [30, 1000, 4096], [7000, 9000, 70_000], [3, 130, 65_536, 1_500_000]],
    ids=["tiny", "small", "ordinary", "all"],
)
def test_a_flood_is_recorded_completely_after_the_client_disconnected(
    service: Service, connection: socket.socket, sizes: list[int]
) -> None:
    data = pcm(max(5_000, 5 * max(sizes)))
    sent, chunks = frames(data, sizes)
    session_id = session_of(connection)
    connection.sendall(sent)
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(65536):
        pass
    info = service.post(f"/api/audio/sessions/{session_id}/close").json()["session"]
    assert info["total_chunks"] == chunks
    assert service.pcm(session_id) == data


def test_all_chunks_before_a_protocol_violation_in_a_flood_are_recorded(
    service: Service, connection: socket.socket
) -> None:
    session_id = session_of(connection)
    good = b"".join(Frame(Opcode.BINARY, pcm(500)).serialize(mask=True) for _ in range(50))
    connection.sendall(good + Frame(Opcode.BINARY, pcm(500)).serialize(mask=False))
    answers = bytearray()
    while piece := connection.recv(65536):
        answers += piece
    assert answers.endswith((1002).to_bytes(2, "big") + b"incorrect masking")
    info = service.get(f"/api/audio/sessions/{session_id}").json()
    assert (info["connections"], info["status"], info["total_chunks"]) == (0, "active", 50)
    assert service.pcm(session_id) == pcm(500) * 50


async def test_an_idle_connection_holds_nothing_of_a_large_message() -> None:
    conversation = Conversation(Handler(taken=1.0))
    await conversation.settle()
    frame = Frame(Opcode.BINARY, bytes(MAX_MESSAGE_BYTES)).serialize(mask=True)
    for piece in (frame[:1500], frame[1500:]):
        conversation.protocol.data_received(piece)
        await conversation.settle()
    assert sys.getsizeof(conversation.protocol.unparsed) < 200
    await conversation.end()
