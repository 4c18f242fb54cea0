"""A notification wakes every waiter once."""

import asyncio

from api.session.progress import ProgressSignal
from tests.eventually import start_task


async def test_a_notification_wakes_all_waiters() -> None:
    signal = ProgressSignal()
    waiters = [await start_task(signal.wait()) for _ in range(3)]
    signal.notify()
    await asyncio.gather(*waiters)


async def test_a_notification_before_the_wait_does_not_count() -> None:
    signal = ProgressSignal()
    signal.notify()
    waiter = await start_task(signal.wait())
    assert not waiter.done()
    signal.notify()
    signal.notify()  # the waiter has not run yet
    await waiter


async def test_a_cancelled_waiter_is_forgotten() -> None:
    signal = ProgressSignal()
    waiter = await start_task(signal.wait())
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    assert signal._waiters == set()
