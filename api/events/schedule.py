"""Which entry of the outbox is due next: a window of the earliest ones, without I/O.

The outbox may have any number of entries. This has at most ``capacity`` of them, the earliest;
`horizon` is the time up to which it has all.
"""

import bisect
import math
from collections.abc import Iterable

from storage.outbox import Place, slot_begin

_CAPACITY = 1000

# As Standard Webhooks recommends: ten attempts, the last one after three days.
RETRY_SECONDS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)


class Schedule:
    """Entries by the time at which they are due, in Unix seconds: waiting, or busy.

    A busy entry is on hold or in work. What a page has of it is passed over.
    """

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self._waiting: list[tuple[float, Place]] = []  # sorted
        self._queued: set[Place] = set()  # the same entries
        self._busy: set[Place] = set()
        self.horizon = -math.inf

    def hold(self, place: Place) -> None:
        """Note an entry that is not to be looked at before `add` is called for it."""
        self._dequeue(place)
        self._busy.add(place)

    def add(self, place: Place, due: float) -> None:
        """Let an entry wait until ``due``: a new one, or one that was busy."""
        self._dequeue(place)
        self._busy.discard(place)
        self._insert(place, due)

    def load(self, places: Iterable[Place], *, is_complete: bool) -> int:
        """Take a page of the earliest entries; return how many of them are new.

        An entry is due when its slot begins. ``is_complete``: there are no others.
        """
        new, last = 0, -math.inf
        self.horizon = math.inf
        for place in places:
            last = max(last, slot_begin(place.slot))
            if place not in self._queued and place not in self._busy:
                self._insert(place, slot_begin(place.slot))
                new += 1
        if not is_complete:
            self.horizon = min(self.horizon, last)
        return new

    def pop(self, now: float) -> Place | None:
        """Return an entry that is due, which is then in work; None if there is none."""
        if not self._waiting or self._waiting[0][0] > min(now, self.horizon):
            return None
        place = self._waiting.pop(0)[1]
        self._queued.discard(place)
        self._busy.add(place)
        return place

    def forget(self, place: Place) -> None:
        """Forget an entry that was in work, and that was removed or has moved."""
        self._busy.discard(place)

    def needs_page(self, now: float) -> bool:
        """Return whether entries may be due that are not known here."""
        return self.horizon <= now and self.pop_time > min(now, self.horizon)

    def expect_others(self) -> None:
        """Note that there may be entries that this does not know."""
        self.horizon = -math.inf

    @property
    def pop_time(self) -> float:
        """Return when the first entry that waits is due; infinity without one."""
        return self._waiting[0][0] if self._waiting else math.inf

    @property
    def next_time(self) -> float:
        """Return when there is something to do next: pop an entry, or load a page."""
        return min(self.pop_time, self.horizon)

    def _insert(self, place: Place, due: float) -> None:
        if due >= self.horizon and self.horizon > -math.inf:
            return  # a page has it in time
        bisect.insort(self._waiting, (due, place))
        self._queued.add(place)
        if len(self._waiting) > self._capacity:
            self.horizon, last = self._waiting.pop()
            self._queued.discard(last)

    def _dequeue(self, place: Place) -> None:
        if place in self._queued:
            self._waiting = [each for each in self._waiting if each[1] != place]
            self._queued.discard(place)
