"""The entries of the outbox in the order in which they are due, read page by page."""

import asyncio
import contextlib
import logging

from api.clock import Clock
from api.events.schedule import Schedule
from storage.errors import StorageError
from storage.outbox import Outbox, Place

logger = logging.getLogger(__name__)

_MAX_WAIT_SECONDS = 3600.0
_STUCK_SECONDS = 1.0


class OutboxQueue:
    """The entries of this process, and of nodes that do not live."""

    def __init__(
        self,
        outbox: Outbox,
        clock: Clock,
        *,
        page_size: int,
        adopt_seconds: float,
        schedule: Schedule | None = None,
    ) -> None:
        """``adopt_seconds``: between looks for entries of nodes that do not live."""
        self._outbox = outbox
        self._clock = clock
        self._page_size = page_size
        self._adopt_seconds = adopt_seconds
        self._schedule = schedule or Schedule()
        self._nodes: list[str] = []  # of which this process delivers the entries
        self._changed = asyncio.Event()

    @property
    def is_idle(self) -> bool:
        """Return whether no entry is known to wait, and no page is to be read."""
        return self._schedule.next_time > self._now() + _MAX_WAIT_SECONDS

    def hold(self, place: Place) -> None:
        """Look at the entry only after `add`: what it tells of is under way."""
        self._schedule.hold(place)

    def add(self, place: Place, delay_seconds: float = 0.0) -> None:
        """Deliver an entry that was written, after a time."""
        self._schedule.add(place, self._now() + delay_seconds)
        self._changed.set()

    def forget(self, place: Place) -> None:
        """Forget an entry from `next` that was removed or has moved."""
        self._schedule.forget(place)
        self._changed.set()

    async def next(self) -> Place:
        """Wait until an entry is due; return it. It does not come again before `add`."""
        while True:
            self._changed.clear()
            is_stuck = self._schedule.needs_page(self._now()) and not await self._load()
            if place := self._schedule.pop(self._now()):
                return place
            # Stuck: what a page has is in work, or storage does not answer.
            await self._wait(_STUCK_SECONDS if is_stuck else self._schedule.next_time - self._now())

    async def adopt(self) -> None:
        """Look for entries of nodes that do not live, until cancelled."""
        while True:
            try:
                self._nodes = await self._outbox.abandoned()
            except StorageError as error:
                logger.warning(
                    "Failed to look for events of other nodes, retrying: error=%s", error
                )
            if self._nodes:
                self._schedule.expect_others()
                self._changed.set()
            await asyncio.sleep(self._adopt_seconds)

    async def _wait(self, seconds: float) -> None:
        """Return after a time, or when something has changed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, _MAX_WAIT_SECONDS)):
                await self._changed.wait()

    async def _load(self) -> bool:
        """Load the earliest entries; return whether there are any new ones, or no more at all."""
        size = self._page_size
        try:
            own = await self._outbox.claim()
            pages = [await self._outbox.page(node, size) for node in {own, *self._nodes}]
        except StorageError as error:
            logger.warning("Failed to list events to deliver, retrying: error=%s", error)
            return False
        places = sorted((place for page in pages for place in page), key=lambda each: each.slot)
        is_complete = all(len(page) < size for page in pages)
        # Of a page that is not the last one, only the slots up to its last are known.
        end = min((page[-1].slot for page in pages if len(page) >= size), default=None)
        places = [each for each in places if end is None or each.slot <= end]
        return bool(self._schedule.load(places, is_complete=is_complete)) or is_complete

    def _now(self) -> float:
        return self._clock.now().timestamp()
