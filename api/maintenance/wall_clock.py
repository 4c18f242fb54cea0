"""Ages by a wall clock that may be set while the process runs.

A machine without a battery-backed clock starts with a wrong time and gets the right one later. So
the wall clock is compared with the monotonic clock, which cannot be set.
"""

from collections import deque
from datetime import datetime, timedelta
from typing import NamedTuple

from api.clock import Clock

_TOLERANCE = timedelta(hours=1)
_MAX_SPANS = 100


class _Span(NamedTuple):
    """A time in which the clock was not set, and how long ago by monotonic time it ended."""

    begin: datetime
    end: datetime
    monotonic_end: float


class WallClock:
    """Notices when the clock is set, and still knows the age of what was recorded before that."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begin = self._last = clock.now()
        self._last_monotonic = clock.monotonic()
        self._spans: deque[_Span] = deque(maxlen=_MAX_SPANS)

    def moved(self) -> timedelta | None:
        """Return by how much the clock was set since the last call; None: by less than an hour."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        expected = self._last + timedelta(seconds=monotonic - self._last_monotonic)
        self._last, self._last_monotonic = now, monotonic
        if abs(now - expected) < _TOLERANCE:
            return None
        self._spans.append(_Span(self._begin, expected, monotonic))
        self._begin = now
        return now - expected

    def age(self, moment: datetime) -> timedelta:
        """Return the lowest age that ``moment`` may have.

        If this process ran at ``moment`` before the clock was set, that is the monotonic time since
        then.
        """
        monotonic = self._clock.monotonic()
        ages = [
            timedelta(seconds=monotonic - span.monotonic_end) + (span.end - moment)
            for span in self._spans
            if span.begin <= moment <= span.end
        ]
        return min([self._clock.now() - moment, *ages])
