"""A worker and its supervisor understand each other."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from api.workers import control
from api.workers.control import Control
from api.workers.limits import Maxima

Connection = tuple[Control, asyncio.StreamReader, asyncio.StreamWriter, asyncio.Event]


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    """The worker's end and the supervisor's, and whether the worker has lost its supervisor."""
    ours, theirs = socket.socketpair()
    worker, lost = Control(theirs), asyncio.Event()
    await worker.start(lost.set)
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    yield worker, reader, writer, lost
    await worker.stop()
    writer.close()
    await writer.wait_closed()


async def test_each_question_gets_its_own_answer_in_any_order(connection: Connection) -> None:
    worker, reader, writer, _ = connection
    asked = [
        asyncio.create_task(worker.claim("a", "ann", Maxima(5))),
        asyncio.create_task(worker.allow("key", 3)),
    ]
    claim = control.decode_from_worker(await reader.readline())
    allow = control.decode_from_worker(await reader.readline())
    assert isinstance(claim, control.Claim)
    assert isinstance(allow, control.Allow)
    assert (claim.session_id, claim.user_id, claim.maxima) == ("a", "ann", Maxima(5))
    for answer in (control.Answer(allow.number, "rate"), control.Answer(claim.number, "user")):
        writer.write(control.encode(answer) + b"\n")
    assert [await each for each in asked] == ["user", False]


async def test_a_worker_tells_what_it_has(connection: Connection) -> None:
    worker, reader, _, _ = connection
    worker.beat()
    worker.ready()
    worker.hold("a", None)
    worker.release("a")
    kinds = [type(control.decode_from_worker(await reader.readline())) for _ in range(4)]
    assert kinds == [control.Beat, control.Ready, control.Hold, control.Release]


async def test_a_worker_looks_for_sessions_when_it_is_told_to(connection: Connection) -> None:
    worker, _, writer, _ = connection
    assert not worker.look.is_set()
    writer.write(control.encode(control.Look()) + b"\n")
    await worker.look.wait()


async def test_a_worker_notices_the_end_of_its_supervisor(connection: Connection) -> None:
    worker, reader, writer, lost = connection
    asked = asyncio.create_task(worker.allow("key", 3))
    await reader.readline()
    writer.close()
    await lost.wait()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await asyncio.sleep(0)  # the task that called `lost` ends
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(worker.allow("key", 3), 5)
    worker.beat()
