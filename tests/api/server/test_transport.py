"""Clients that stop reading are disconnected, and what is buffered for them is freed.

The tests use raw sockets, so they hold for any protocol class.
"""

import asyncio
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest
from websockets.frames import Frame, Opcode

from tests.audio import pcm
from tests.bad_clients import HANDSHAKE
from tests.eventually import eventually
from tests.service import Service

_STATUS = Frame(Opcode.TEXT, b'{"type": "control", "action": "status"}').serialize(mask=True)


@contextmanager
def unread_connection(service: Service, request: bytes) -> Iterator[socket.socket]:
    """Yield a connection of which nothing is read, with the smallest receive buffer."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(60)
        connection.connect(("127.0.0.1", service.port))
        connection.sendall(request)
        yield connection


def fill(connection: socket.socket) -> None:
    """Send controls until the service takes no more, because their answers are not read."""
    connection.setblocking(False)
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_WRITE)
        try:
            while selector.select(1):
                connection.send(_STATUS * 200)
        except ConnectionError:
            return  # disconnected already


async def disconnected(service: Service, connection: socket.socket) -> None:
    """Return when the service has freed its side of the connection."""
    peer = connection.getsockname()
    process = psutil.Process(service.pid)
    await eventually(
        lambda: [each for each in process.net_connections() if each.raddr == peer],
        lambda found: not found,
        awaiting="no connection",
    )


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


@pytest.mark.parametrize(
    "settings",
    [
        {"ping_interval_seconds": 1, "ping_timeout_seconds": 1},
        pytest.param({"connection_timeout_seconds": 3}, marks=pytest.mark.long),
    ],
    ids=["ping timeout", "idle timeout"],
)
async def test_a_socket_that_reads_nothing_is_freed_after_the_timeout(
    start_service: Callable[..., Service], settings: dict[str, object]
) -> None:
    service = start_service(**settings)
    with unread_connection(service, HANDSHAKE) as connection:
        await asyncio.to_thread(fill, connection)
        await disconnected(service, connection)


async def test_a_socket_that_reads_nothing_is_freed_after_its_session_was_closed(
    service: Service,
) -> None:
    with unread_connection(service, HANDSHAKE) as connection:
        await asyncio.to_thread(fill, connection)
        sessions = await asyncio.to_thread(service.get, "/api/audio/sessions?status=active")
        (session_id,) = (each["session_id"] for each in sessions.json()["sessions"])
        closed = await asyncio.to_thread(service.post, f"/api/audio/sessions/{session_id}/close")
        assert closed.json()["session"]["status"] == "completed"
        await disconnected(service, connection)


@pytest.mark.parametrize("query", ["", "?format=wav", "?format=flac"])
async def test_a_download_that_is_not_read_ends_after_the_write_timeout(
    start_service: Callable[..., Service], query: str
) -> None:
    service = start_service(write_timeout_seconds=1)
    session_id = await service.record(pcm(4_000_000), sample_rate=48000, channels=2)
    path = f"/api/audio/sessions/{session_id}/audio{query}"
    with unread_connection(service, get(path)) as connection:
        await disconnected(service, connection)
    assert not [line for line in service.log if "Traceback" in line]


async def test_a_slow_download_is_not_ended(start_service: Callable[..., Service]) -> None:
    service = start_service(write_timeout_seconds=5)
    session_id = await service.record(pcm(4_000_000), sample_rate=48000, channels=2)
    received, pause = bytearray(), threading.Event()

    def read_slowly() -> None:
        path = f"/api/audio/sessions/{session_id}/audio"
        with unread_connection(service, get(path)) as connection:
            pauses = iter([1.0] * 7)  # each shorter, all of them longer than the timeout
            while len(received) < 8_000_080 and (piece := connection.recv(65536)):
                received.extend(piece)
                pause.wait(next(pauses, 0))

    await asyncio.to_thread(read_slowly)
    assert len(received) >= 8_000_080
