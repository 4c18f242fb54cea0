"""Dead entries leave the outbox."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from api.clock import SystemClock
from api.events.dead import remove_old_dead
from storage.local.outbox import LocalOutbox
from storage.outbox import DEAD, Place, slot_of
from tests.eventually import eventually


async def test_dead_entries_are_removed_after_thirty_days(tmp_path: Path) -> None:
    def died(days_ago: int) -> Place:
        moment = datetime.now(UTC) - timedelta(days=days_ago)
        return Place(DEAD, slot_of(moment.timestamp()), f"{days_ago}-days-ago")

    outbox = LocalOutbox(tmp_path)
    for days_ago in (40, 31, 29):
        await outbox.put(died(days_ago), b"{}")
    removing = asyncio.create_task(remove_old_dead(outbox, SystemClock(), page_size=1))
    await eventually(
        lambda: outbox.page(DEAD, 100),
        lambda found: [each.name for each in found] == ["29-days-ago"],
        awaiting="the removal of two old entries",
    )
    removing.cancel()
    await asyncio.gather(removing, return_exceptions=True)
