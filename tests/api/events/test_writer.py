"""An event is in the outbox before it happens."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uuid_utils.compat

from api.clock import SystemClock
from api.events import entry as entries
from api.events.entry import EventType
from api.events.writer import OutboxWriter
from storage.errors import StorageUnavailableError
from storage.local.outbox import LocalOutbox
from storage.outbox import FIRST_SLOT, Place
from storage.retry import Backoff
from tests.eventually import eventually

SESSION_ID = str(uuid_utils.compat.uuid7())


class QueueProbe:
    """Notes which entries are on hold, and with which delay they are added."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.added: dict[str, float] = {}

    def hold(self, place: Place) -> None:
        self.held.add(place.name)

    def add(self, place: Place, delay_seconds: float = 0.0) -> None:
        self.held.discard(place.name)
        self.added[place.name] = delay_seconds


class FailingOutbox(LocalOutbox):
    """An outbox whose next writes fail."""

    failures = 0

    async def put(self, place: Place, data: bytes) -> None:
        if self.failures:
            self.failures -= 1
            raise StorageUnavailableError("the store is away")
        await super().put(place, data)


@pytest.fixture
def outbox(tmp_path: Path) -> FailingOutbox:
    return FailingOutbox(tmp_path)


@pytest.fixture
def queue() -> QueueProbe:
    return QueueProbe()


def writer_of(
    outbox: FailingOutbox, queue: QueueProbe, *unwanted: EventType, max_unwritten: int = 100
) -> OutboxWriter:
    return OutboxWriter(
        outbox,
        SystemClock(),
        queue,
        is_wanted=lambda event: event not in unwanted,
        backoff=Backoff(first_seconds=0.001, max_seconds=0.001, retries=3),
        max_unwritten=max_unwritten,
    )


@pytest.fixture
async def writer(outbox: FailingOutbox, queue: QueueProbe) -> AsyncIterator[OutboxWriter]:
    writer = writer_of(outbox, queue)
    task = asyncio.create_task(writer.run())
    yield writer
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    outbox.release()


async def written(outbox: FailingOutbox) -> list[str]:
    return sorted(place.name for place in await outbox.page(await outbox.claim(), 100))


async def test_an_entry_is_written_before_and_queued_after_what_it_tells_of(
    writer: OutboxWriter, outbox: FailingOutbox, queue: QueueProbe
) -> None:
    name = f"{SESSION_ID}-completed"
    async with writer.completing(SESSION_ID):
        assert await written(outbox) == [name]
        assert (queue.held, queue.added) == ({name}, {})
    assert (queue.held, queue.added) == (set(), {name: 0.0})


async def test_an_entry_whose_cause_has_failed_is_kept_and_looked_at_later(
    writer: OutboxWriter, outbox: FailingOutbox, queue: QueueProbe
) -> None:
    with pytest.raises(LookupError):
        async with writer.creating(SESSION_ID):
            raise LookupError
    assert await written(outbox) == [f"{SESSION_ID}-created"]
    assert queue.added[f"{SESSION_ID}-created"] > 0


async def test_a_repeated_attempt_writes_the_same_entry(
    writer: OutboxWriter, outbox: FailingOutbox
) -> None:
    for _ in range(2):
        async with writer.completing(SESSION_ID):
            pass
    assert await written(outbox) == [f"{SESSION_ID}-completed"]


async def test_a_write_that_fails_is_repeated_and_then_keeps_the_event_from_happening(
    writer: OutboxWriter, outbox: FailingOutbox, queue: QueueProbe
) -> None:
    outbox.failures = 3
    async with writer.completing(SESSION_ID):
        pass
    outbox.failures = 100
    happened = False
    with pytest.raises(StorageUnavailableError):
        async with writer.deleting({SESSION_ID: None}):
            happened = True
    assert not happened
    assert queue.held == set()


async def test_every_session_of_a_deletion_has_an_entry(
    writer: OutboxWriter, outbox: FailingOutbox
) -> None:
    ids = [str(uuid_utils.compat.uuid7()) for _ in range(20)]
    async with writer.deleting(dict.fromkeys(ids)):
        assert await written(outbox) == sorted(f"{each}-deleted" for each in ids)


async def test_warnings_and_takeovers_are_written_by_the_task_when_the_store_is_back(
    writer: OutboxWriter, outbox: FailingOutbox, queue: QueueProbe
) -> None:
    outbox.failures = 1
    writer.warned(SESSION_ID, "decode_failed")
    writer.taken_over(SESSION_ID)
    await eventually(lambda: len(queue.added) == 2, awaiting="two entries")
    names = await written(outbox)
    assert names[1] == f"{SESSION_ID}-warning-decode_failed"
    assert names[0].startswith(f"{SESSION_ID}-taken_over-")
    node = await outbox.claim()
    found = entries.decode(names[1], await outbox.get(Place(node, FIRST_SLOT, names[1])))
    assert (found.type, found.detail) == ("session.warning", "decode_failed")


async def test_what_waits_for_the_store_is_bounded(
    outbox: FailingOutbox, queue: QueueProbe, caplog: pytest.LogCaptureFixture
) -> None:
    writer = writer_of(outbox, queue, max_unwritten=3)
    for number in range(5):
        writer.warned(SESSION_ID, f"code_{number}")
    assert caplog.text.count("Event lost") == 2
    task = asyncio.create_task(writer.run())
    await eventually(lambda: len(queue.added) == 3, awaiting="three entries")
    task.cancel()
    assert await written(outbox) == [f"{SESSION_ID}-warning-code_{n}" for n in (2, 3, 4)]
    outbox.release()


async def test_an_event_that_no_receiver_wants_writes_nothing(
    outbox: FailingOutbox, queue: QueueProbe, tmp_path: Path
) -> None:
    writer = writer_of(outbox, queue, "session.completed", "session.warning")
    async with writer.completing(SESSION_ID):
        pass
    writer.warned(SESSION_ID, "decode_failed")
    assert list(tmp_path.iterdir()) == []
    assert (queue.held, queue.added) == (set(), {})
