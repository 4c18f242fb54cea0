"""What the protocol sends by itself is bounded, and malformed input is answered."""

import socket
from collections.abc import Callable, Iterator
from uuid import uuid4

import psutil
import pytest
from websockets.frames import Frame, Opcode

from api.server.websocket_protocol import MAX_TEXT_BYTES
from tests.audio import pcm
from tests.bad_clients import HANDSHAKE
from tests.service import Service


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


def end_of(connection: socket.socket) -> bytes:
    """Return the bytes received until the service closes the connection."""
    received = bytearray()
    try:
        while data := connection.recv(4096):
            received += data
    except ConnectionResetError:  # the service closed before it read everything
        pass
    return bytes(received)


def test_text_that_is_not_utf8_closes_with_1007_and_logs_no_traceback(
    service: Service, connection: socket.socket
) -> None:
    session_of(connection)
    connection.sendall(Frame(Opcode.TEXT, b"\xff").serialize(mask=True) * 2)
    assert end_of(connection) == b"\x88\x0f\x03\xefinvalid UTF-8"
    assert service.get("/health").status_code == 200
    assert "Traceback" not in "".join(service.log)


@pytest.mark.parametrize("fragments", [1, 3])
def test_a_longer_text_than_a_mebibyte_closes_with_1009_and_keeps_the_audio(
    service: Service, connection: socket.socket, fragments: int
) -> None:
    session_id, data, text = session_of(connection), pcm(800), b" " * (MAX_TEXT_BYTES // 2 + 1)
    connection.sendall(Frame(Opcode.BINARY, data).serialize(mask=True))
    first, *more = [text * 2] if fragments == 1 else [text, text, b" "]
    connection.sendall(Frame(Opcode.TEXT, first, fin=not more).serialize(mask=True))
    for part in more:
        connection.sendall(Frame(Opcode.CONT, part, fin=part == b" ").serialize(mask=True))
    reason = b"a text of more than 1048576 bytes"
    assert (1009).to_bytes(2, "big") + reason in end_of(connection)
    assert service.pcm(session_id) == data


def test_a_text_of_a_mebibyte_is_answered(service: Service, connection: socket.socket) -> None:
    session_of(connection)
    text = b'{"type":"control","action":"status"'.ljust(MAX_TEXT_BYTES - 1) + b"}"
    connection.sendall(Frame(Opcode.TEXT, text).serialize(mask=True))
    assert b"Session status" in receive_until(connection, b'"action":"status"')


def test_a_close_frame_sent_before_queued_acks_logs_no_traceback(service: Service) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
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
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall(handshake)
        assert end_of(connection).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def receive_until(connection: socket.socket, wanted: bytes) -> bytes:
    """Return the bytes received up to ``wanted``."""
    received = bytearray()
    while wanted not in received[-len(wanted) - 65536 :]:
        piece = connection.recv(65536)
        assert piece, "the service closed the connection"
        received += piece
    return bytes(received)


def test_of_pongs_that_a_client_does_not_read_only_the_newest_is_kept(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(ping_interval_seconds=60)
    process = psutil.Process(service.pid)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(60)
        connection.connect(("127.0.0.1", service.port))
        connection.sendall(HANDSHAKE)
        connection.recv(1)
        before_bytes = process.memory_info().rss
        for number in range(400):  # 52 MB
            connection.sendall(Frame(Opcode.PING, b"%125d" % number).serialize(mask=True) * 1000)
        connection.sendall(Frame(Opcode.PING, b"the newest").serialize(mask=True))
        assert process.memory_info().rss - before_bytes < 20_000_000
        receive_until(connection, b"\x8a\x0athe newest")


@pytest.mark.parametrize("payload", [b"", b"x"], ids=["empty", "one byte"])
def test_a_message_of_too_many_fragments_closes_with_1009(
    service: Service, connection: socket.socket, payload: bytes
) -> None:
    session_of(connection)
    connection.sendall(Frame(Opcode.BINARY, payload, fin=False).serialize(mask=True))
    try:
        fragment = Frame(Opcode.CONT, payload, fin=False).serialize(mask=True)
        for _ in range(100):
            connection.sendall(fragment * 1000)
    except ConnectionError:
        pass  # closed already
    assert (1009).to_bytes(2, "big") + b"more than 16384 fragments" in end_of(connection)


def test_a_message_of_many_fragments_is_recorded(
    service: Service, connection: socket.socket
) -> None:
    session_id, data = session_of(connection), pcm(8000)
    sent = Frame(Opcode.BINARY, b"", fin=False).serialize(mask=True)
    for byte in data[:-1]:
        sent += Frame(Opcode.CONT, bytes([byte]), fin=False).serialize(mask=True)
    connection.sendall(sent + Frame(Opcode.CONT, data[-1:]).serialize(mask=True))
    assert b'"chunk_count":1' in receive_until(connection, b'"chunk_count":1')
    assert service.pcm(session_id) == data


def test_the_connection_ends_as_soon_as_the_client_answers_the_close_frame(
    service: Service,
) -> None:
    unknown = HANDSHAKE.replace(b"/api/ws/audio", b"/api/ws/audio/%s" % str(uuid4()).encode())
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall(unknown)
        received = b""
        while b"\x88" not in received:
            received += connection.recv(4096)
        connection.settimeout(4.5)  # the service aborts after five seconds
        connection.sendall(Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=True))
        end_of(connection)
