"""Removes dead entries of the outbox after some time, as a background task."""

import asyncio
import contextlib
from datetime import timedelta

from api.clock import Clock
from storage.errors import StorageError
from storage.outbox import DEAD, Outbox, slot_of

DEAD_DAYS = 30
_CHECK_SECONDS = 3600.0


async def remove_old_dead(outbox: Outbox, clock: Clock, *, page_size: int) -> None:
    """Remove entries that were given up more than ``DEAD_DAYS`` ago, until cancelled."""
    while True:
        first = slot_of((clock.now() - timedelta(days=DEAD_DAYS)).timestamp())
        with contextlib.suppress(StorageError):
            while old := [each for each in await outbox.page(DEAD, page_size) if each.slot < first]:
                for place in old:
                    await outbox.remove(place)
        await asyncio.sleep(_CHECK_SECONDS)
