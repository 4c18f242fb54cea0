"""Slots are shared fairly between callers, and none is lost."""

import asyncio

import pytest

from api.fair_slots import FairSlots


class Holder:
    """A task that holds a slot until it is told to end."""

    def __init__(self, slots: FairSlots, caller: str) -> None:
        self.has_slot = asyncio.Event()
        self._end = asyncio.Event()
        self.task = asyncio.create_task(self._hold(slots, caller))

    async def _hold(self, slots: FairSlots, caller: str) -> None:
        async with slots.hold(caller):
            self.has_slot.set()
            await self._end.wait()

    async def end(self) -> None:
        self._end.set()
        await self.task


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_caller_at_its_limit_leaves_free_slots_to_others() -> None:
    slots = FairSlots(limit=3, per_caller=2)
    greedy = [Holder(slots, "alice") for _ in range(4)]
    await settle()
    assert [holder.has_slot.is_set() for holder in greedy] == [True, True, False, False]
    other = Holder(slots, "bob")
    await other.has_slot.wait()
    await greedy[0].end()
    await greedy[2].has_slot.wait()
    for holder in (greedy[1], greedy[2], greedy[3], other):
        await holder.end()


async def test_a_free_slot_goes_to_the_caller_with_the_fewest() -> None:
    slots = FairSlots(limit=2, per_caller=2)
    alice = [Holder(slots, "alice") for _ in range(3)]
    bob = Holder(slots, "bob")
    await settle()
    await alice[0].end()
    await settle()
    assert bob.has_slot.is_set()
    assert not alice[2].has_slot.is_set()
    for holder in (*alice[1:], bob):
        await holder.end()


@pytest.mark.parametrize("is_granted_first", [True, False])
async def test_a_waiter_that_is_cancelled_or_times_out_keeps_no_slot(
    is_granted_first: bool,
) -> None:
    slots = FairSlots(limit=1, per_caller=1)
    first, cancelled = Holder(slots, "alice"), Holder(slots, "bob")
    await settle()
    with pytest.raises(TimeoutError):
        async with slots.hold("carol", wait_seconds=0.01):
            pass
    if is_granted_first:
        await first.end()
        cancelled.task.cancel()
    else:
        cancelled.task.cancel()  # its task does not run before the slot is free
        first.task.cancel()
        await asyncio.gather(first.task, return_exceptions=True)
    await asyncio.gather(cancelled.task, return_exceptions=True)
    async with asyncio.timeout(60), slots.hold("dave"):
        pass
    assert not slots._held
    assert not slots._waiting
