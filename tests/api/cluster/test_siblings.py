"""Workers ask each other. That real workers answer: tests/test_workers.py."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.cluster.siblings import Siblings
from api.workers.control import Control
from api.workers.membership import Membership
from api.workers.sockets import WorkerSockets
from storage.worker import Worker


@pytest.fixture
def member(tmp_path: Path) -> Iterator[Membership]:
    with socket.socket() as unused:
        yield Membership(Worker(1, 3), Control(unused), WorkerSockets(tmp_path))


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    target = head.split(" ")[1].encode()
    status = b"500 No" if b"broken" in target else b"200 OK"
    writer.write(b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status, len(target), target))
    writer.close()


async def test_each_other_worker_is_asked_and_those_that_do_not_answer_are_known(
    member: Membership,
) -> None:
    own, other = [
        await asyncio.start_unix_server(answer, str(member.sockets.http(number)))
        for number in (1, 2)
    ]
    async with own, other:
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(str(member.sockets.http(3)))
        dead.close()
        siblings = Siblings(member)
        assert await siblings.ask("/health?a=b") == {2: b"/health?a=b", 3: None}
        assert await siblings.ask("/broken") == {2: None, 3: None}


async def test_a_service_of_one_process_has_no_siblings() -> None:
    assert await Siblings(None).ask("/health") == {}
