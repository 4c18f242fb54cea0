"""Entries come from the queue when they are due, from memory or from a page."""

import asyncio
from pathlib import Path

from api.clock import SystemClock
from api.events.queue import OutboxQueue
from storage.local.outbox import LocalOutbox
from storage.outbox import FIRST_SLOT, Place


def queue_of(outbox: LocalOutbox, page_size: int = 100) -> OutboxQueue:
    return OutboxQueue(outbox, SystemClock(), page_size=page_size, adopt_seconds=0.01)


async def test_what_is_stored_comes_page_by_page_and_an_entry_in_work_does_not_come_again(
    tmp_path: Path,
) -> None:
    outbox = LocalOutbox(tmp_path)
    node = await outbox.claim()
    places = [Place(node, slot, "event") for slot in (FIRST_SLOT, 7, 8)]
    for place in places:
        await outbox.put(place, b"{}")
    queue = queue_of(outbox, page_size=1)
    for place in places:
        assert await queue.next() == place
        await outbox.remove(place)
        queue.forget(place)
    waiting = asyncio.create_task(queue.next())
    again = Place(node, FIRST_SLOT, "again")
    queue.hold(again)
    await outbox.put(again, b"{}")
    assert not waiting.done()
    queue.add(again)
    assert await waiting == again
    outbox.release()


async def test_entries_of_a_node_that_does_not_live_are_found(tmp_path: Path) -> None:
    outbox = LocalOutbox(tmp_path)
    queue = queue_of(outbox)
    waiting = asyncio.create_task(queue.next())
    adopting = asyncio.create_task(queue.adopt())
    place = Place("77", FIRST_SLOT, "event")
    await outbox.put(place, b"{}")
    assert await asyncio.wait_for(waiting, 20) == place
    adopting.cancel()
    await asyncio.gather(adopting, return_exceptions=True)
    outbox.release()
