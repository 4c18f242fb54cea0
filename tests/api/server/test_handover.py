"""A connection goes to the worker that has its session, whole."""

import asyncio
import socket
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from api.server.handover import Handover, HandoverListener

ID = uuid4()


class Taken(asyncio.Protocol):
    """What a worker does with connections that it takes."""

    def __init__(self) -> None:
        self.received = b""
        self.more = asyncio.Event()
        self.transport: asyncio.Transport | None = None

    def resume_handover(self, received: bytes) -> None:
        self.received += received

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"answer")

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.more.set()


async def test_the_owner_gets_the_connection_and_all_that_was_received(tmp_path: Path) -> None:
    taken = Taken()
    listener = HandoverListener(tmp_path / "1")
    listener.bind()
    listener.start(lambda: taken)
    handover = Handover(lambda session_id: tmp_path / "1" if session_id == ID else None)
    client, connection = socket.socketpair()
    with client:
        with connection:
            assert handover.offer(f"/api/ws/audio/{ID}?a=b".encode(), b"request", connection)
        # This process has closed its end, and the client does not notice.
        client.settimeout(0)
        assert await asyncio.get_running_loop().sock_recv(client, 100) == b"answer"
        await asyncio.get_running_loop().sock_sendall(client, b" and more")
        await taken.more.wait()
        assert taken.received == b"request and more"
        assert taken.transport is not None
        assert not taken.transport.get_extra_info("socket").get_inheritable()
    listener.close()


async def test_a_connection_waits_for_an_owner_that_starts(tmp_path: Path) -> None:
    taken = Taken()
    listener = HandoverListener(tmp_path / "1")
    listener.bind()
    client, connection = socket.socketpair()
    with client:
        with connection:
            handover = Handover(lambda _: tmp_path / "1")
            assert handover.offer(f"/api/ws/audio/{ID}".encode(), b"request", connection)
        listener.start(lambda: taken)
        client.settimeout(0)
        assert await asyncio.get_running_loop().sock_recv(client, 100) == b"answer"
        assert taken.received == b"request"
    listener.close()


@pytest.mark.parametrize(
    "url",
    [
        b"/api/ws/audio",
        b"/api/ws/audio/not-a-session",
        b"/api/ws/audio/zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz",
        b"/api/ws/audio/" + b"-" * 36,
        f"/api/ws/audio/{ID}x".encode(),
        f"/api/ws/audio/{uuid4()}".encode(),
    ],
    ids=["no id", "no UUID", "other letters", "dashes", "longer", "no owner"],
)
def test_other_connections_stay(tmp_path: Path, url: bytes) -> None:
    handover = Handover(lambda session_id: tmp_path / "1" if session_id == ID else None)
    client, connection = socket.socketpair()
    with client, connection:
        assert not handover.offer(url, b"request", connection)


def test_listeners_and_ids_in_upper_case_go_to_the_owner_too(tmp_path: Path) -> None:
    asked: list[UUID] = []

    def owner(session_id: UUID) -> Path | None:
        asked.append(session_id)
        return None

    client, connection = socket.socketpair()
    with client, connection:
        for url in (f"/api/ws/audio/{ID}/listen?from=now", f"/api/ws/audio/{str(ID).upper()}"):
            Handover(owner).offer(url.encode(), b"", connection)
    assert asked == [ID, ID]


def test_a_connection_stays_if_the_owner_has_died(tmp_path: Path) -> None:
    client, connection = socket.socketpair()
    with client, connection:
        handover = Handover(lambda _: tmp_path / "1")
        assert not handover.offer(f"/api/ws/audio/{ID}".encode(), b"request", connection)


async def test_a_connection_without_a_descriptor_is_ignored(tmp_path: Path) -> None:
    taken = Taken()
    listener = HandoverListener(tmp_path / "1")
    listener.bind()
    listener.start(lambda: taken)
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sender:
        sender.settimeout(0)
        sender.connect(str(tmp_path / "1"))
        sender.send(b"request")
        assert await loop.sock_recv(sender, 1) == b""  # it was closed
    assert taken.transport is None
    assert (tmp_path / "1").stat().st_mode & 0o777 == 0o600
    listener.close()
