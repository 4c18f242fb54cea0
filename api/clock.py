"""Time as the service reads it, passed in so that tests can move it."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The date and time in UTC, for people and files."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back. For time-outs."""
        ...


class SystemClock:
    """The machine's own clocks."""

    monotonic = staticmethod(time.monotonic)

    def now(self) -> datetime:
        return datetime.now(UTC)
