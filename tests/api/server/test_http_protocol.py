"""Malformed and incomplete HTTP requests, over real sockets.

The service answers or closes them, and logs no error of its own.
"""

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from websockets.frames import Frame, Opcode

from tests.audio import pcm
from tests.bad_clients import HANDSHAKE
from tests.service import Service

_HOST = b"Host: 127.0.0.1\r\n"
_HEALTH = b"GET /health HTTP/1.1\r\n" + _HOST
_POST = b"POST /api/audio/sessions HTTP/1.1\r\n" + _HOST


@contextlib.contextmanager
def running(folder: Path, **settings: object) -> Iterator[Service]:
    service = Service(folder, max_concurrent_sessions=10_000, **settings).start()
    yield service
    assert service.stop() == 0
    assert not [line for line in service.log if "Traceback" in line]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("recordings")) as service:
        yield service


@pytest.fixture(scope="module")
def impatient_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that waits a second for the rest of a request."""
    with running(tmp_path_factory.mktemp("impatient"), handshake_timeout_seconds=1) as service:
        yield service


def answer(service: Service, *sent: bytes, wanted: bytes = b"") -> bytes:
    """Return the bytes received until the service closes the connection, or until ``wanted``."""
    received = bytearray()
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for part in sent:
                connection.sendall(part)
            while piece := connection.recv(65536):
                received += piece
                if wanted and wanted in received:
                    break
        except ConnectionResetError:  # the service closed before it read everything
            pass
    return bytes(received)


@pytest.mark.parametrize(
    "request_",
    [b"", _HEALTH[:9], _HEALTH + b"X-Slow: ", _POST + b"Content-Length: 100\r\n\r\n{"],
    ids=["nothing", "half a line", "half a head", "no body"],
)
def test_an_incomplete_request_is_answered_with_408(
    impatient_service: Service, request_: bytes
) -> None:
    assert answer(impatient_service, request_).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /" + b"a" * 100_000,
        _HEALTH + b"X: " + b"a" * 100_000,
        _HEALTH + b"A: b\r\n" * 20_000 + b"\r\n",
        _POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 1_000_000,
    ],
    ids=["line", "header", "headers", "trailers"],
)
def test_an_endless_request_head_is_refused_early(service: Service, request_: bytes) -> None:
    received = answer(service, request_)
    assert not received or received.startswith(b"HTTP/1.1 431 ")  # a reset can discard the answer


@pytest.mark.parametrize(
    "more",
    [
        b"Content-Length: 1000\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"A: b\r\n" * 200 + b"\r\n",
        b"A: " + b"b" * 20_000 + b"\r\n\r\n",
    ],
    ids=["body", "chunked body", "many headers", "long header"],
)
def test_a_malformed_handshake_is_answered_with_400(service: Service, more: bytes) -> None:
    assert answer(service, HANDSHAKE[:-2] + more).startswith(b"HTTP/1.1 400 ")


def test_a_chunk_sent_together_with_the_handshake_is_recorded(service: Service) -> None:
    chunk = Frame(Opcode.BINARY, pcm(500)).serialize(mask=True)
    received = answer(service, HANDSHAKE + chunk, wanted=b'"type":"chunk"')
    assert b'"chunk_count":1' in received
    session_id = received.split(b'"session_id":"')[1][:36].decode()
    assert service.pcm(session_id) == pcm(500)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x82\x01\0", 1002),  # not masked
        (b"\x80\x81\0\0\0\0\xff", 1002),  # continues nothing
        (b"\xf2\x81\0\0\0\0\xff", 1002),  # reserved bits
        (b"\x81\x81\0\0\0\0\xff", 1007),  # not UTF-8
    ],
)
@pytest.mark.parametrize("is_early", [True, False])
def test_a_frame_that_violates_the_protocol_closes_with_its_code(
    service: Service, frame: bytes, code: int, is_early: bool
) -> None:
    sent = [HANDSHAKE + frame] if is_early else [HANDSHAKE, frame]
    received = answer(service, *sent)
    assert received.startswith(b"HTTP/1.1 101 ")
    assert code.to_bytes(2, "big") in received.split(b"\r\n\r\n", 1)[1]


def test_a_refused_handshake_is_not_logged_as_an_error(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(max_handshakes_per_minute=1)
    assert answer(service, HANDSHAKE, wanted=b"session_id").startswith(b"HTTP/1.1 101 ")
    assert answer(service, HANDSHAKE).startswith(b"HTTP/1.1 429 ")
    assert service.stop() == 0
    assert not [line for line in service.log if " ERROR " in line]


def test_a_few_pipelined_requests_are_answered_and_a_flood_is_cut_off(service: Service) -> None:
    few = (_HEALTH + b"\r\n") * 20 + _HEALTH + b"Connection: close\r\n\r\n"
    assert answer(service, few).count(b"HTTP/1.1 200 ") == 21
    flood = (_POST + b"Content-Length: 0\r\n\r\n") * 5000
    assert answer(service, flood).count(b"HTTP/1.1 201 ") <= 100


def test_above_the_limit_the_oldest_stalled_connection_is_closed(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(max_pending_requests=2)
    address = ("127.0.0.1", service.port)
    stalling = [socket.create_connection(address, timeout=30) for _ in range(3)]
    assert stalling[0].recv(12) == b"HTTP/1.1 503"
    for connection in stalling[1:]:
        connection.sendall(_HEALTH + b"\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"
        assert service.get("/health").ok
    for connection in stalling:
        connection.close()
