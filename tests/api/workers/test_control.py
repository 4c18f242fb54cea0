"""A worker and its supervisor understand each other."""

import asyncio
import socket

import pytest

from api.workers import control
from api.workers.control import Control
from api.workers.limits import Maxima


async def connected() -> tuple[Control, asyncio.StreamReader, asyncio.StreamWriter, asyncio.Event]:
    ours, theirs = socket.socketpair()
    worker, lost = Control(theirs), asyncio.Event()
    await worker.start(lost.set)
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    return worker, reader, writer, lost


async def test_each_question_gets_its_own_answer_in_any_order() -> None:
    worker, reader, writer, _ = await connected()
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
    writer.close()


async def test_a_worker_tells_what_it_has() -> None:
    worker, reader, writer, _ = await connected()
    worker.beat()
    worker.ready()
    worker.hold("a", None)
    worker.release("a")
    kinds = [type(control.decode_from_worker(await reader.readline())) for _ in range(4)]
    assert kinds == [control.Beat, control.Ready, control.Hold, control.Release]
    writer.close()


async def test_a_worker_looks_for_sessions_when_it_is_told_to() -> None:
    worker, _, writer, _ = await connected()
    assert not worker.look.is_set()
    writer.write(control.encode(control.Look()) + b"\n")
    await worker.look.wait()
    writer.close()


async def test_a_worker_notices_the_end_of_its_supervisor() -> None:
    worker, reader, writer, lost = await connected()
    asked = asyncio.create_task(worker.allow("key", 3))
    await reader.readline()
    writer.close()
    await lost.wait()
    with pytest.raises(asyncio.CancelledError):
        await asked
    worker.beat()
