"""Connections that flood the service are served in turns, without loss or reordering."""

import random
import socket
from collections.abc import Iterator

import pytest
from websockets.frames import Frame, Opcode

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


def session_of(connection: socket.socket) -> str:
    """Return the session id of the greeting, which follows the answer to the handshake."""
    greeting = bytearray()
    while b'"session_id":"' not in greeting or len(greeting.split(b'"session_id":"')[1]) < 36:
        greeting += connection.recv(4096)
    return greeting.split(b'"session_id":"')[1][:36].decode()


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


def test_a_protocol_violation_in_a_flood_closes_only_its_connection(
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
    assert (info["connections"], info["status"]) == (0, "active")
    assert service.pcm(session_id) == pcm(500) * info["total_chunks"]


def end_of(connection: socket.socket) -> bytes:
    """Return the bytes received until the service closes the connection."""
    received = bytearray()
    while data := connection.recv(4096):
        received += data
    return bytes(received)


def test_text_that_is_not_utf8_closes_with_1007_and_logs_no_traceback(
    service: Service, connection: socket.socket
) -> None:
    session_of(connection)
    connection.sendall(Frame(Opcode.TEXT, b"\xff").serialize(mask=True) * 2)
    assert end_of(connection) == b"\x88\x0f\x03\xefinvalid UTF-8"
    assert service.get("/health").status_code == 200
    assert "Traceback" not in "".join(service.log)


def test_a_close_frame_sent_before_queued_acks_logs_no_traceback(service: Service) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(HANDSHAKE)
            session_of(connection)
            connection.sendall(Frame(Opcode.BINARY, pcm(10)).serialize(mask=True))
            connection.sendall(Frame(Opcode.TEXT, b"\xff").serialize(mask=True))
            assert b"\x03\xefinvalid UTF-8" in end_of(connection)
    assert service.get("/health").status_code == 200
    assert "Traceback" not in "".join(service.log)


@pytest.mark.parametrize(
    "handshake",
    [
        HANDSHAKE.replace(b"ws/audio", b"ws/audio?user_id=" + b"x" * 9000),
        HANDSHAKE.replace(b"Host:", b"Cookie: " + b"x" * 9000 + b"\r\nHost:"),
        HANDSHAKE.replace(b"Host:", b"X-Many: 1\r\n" * 200 + b"Host:"),
        HANDSHAKE.replace(b"Host:", b"Content-Length: 3\r\nHost:"),
    ],
    ids=["long URL", "long header", "many headers", "body"],
)
def test_an_oversized_handshake_is_answered_with_400(service: Service, handshake: bytes) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(handshake)
        assert end_of(connection).startswith(b"HTTP/1.1 400 Bad Request\r\n")
