"""Waiting tasks wake up after a change, and only if their condition is met."""

import asyncio

from sercuescribe_client.condition import Condition
from tests.eventually import start_task


async def test_a_condition_that_is_met_does_not_wait() -> None:
    await asyncio.wait_for(Condition().wait_for(lambda: True), 10)


async def test_every_task_whose_condition_is_met_wakes_up() -> None:
    condition, counts = Condition(), [0]
    waiting = [await start_task(condition.wait_for(lambda: counts[0] >= 2)) for _ in range(3)]
    later = await start_task(condition.wait_for(lambda: counts[0] >= 3))
    for counts[0] in (1, 2):
        condition.notify_all()
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert not later.done()
    counts[0] = 3
    condition.notify_all()
    await later
