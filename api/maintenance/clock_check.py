"""Whether the clock of this machine can tell if recordings are to be deleted."""

from datetime import datetime, timedelta

from api.clock import Clock
from api.maintenance.wall_clock import WallClock

_MAX_DIFFERENCE = timedelta(minutes=5)


class ClockError(Exception):
    """The clock of this machine cannot tell how old recordings are."""


class ClockCheck:
    """Compares the clock with the monotonic one and with that of the store."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.wall_clock = WallClock(clock)

    def check(self, store_time: datetime | None = None) -> None:
        """Raise `ClockError` if the clock was set since the last call, or differs.

        ``store_time`` None: the store has the clock of this machine.
        """
        if moved := self.wall_clock.moved():
            raise ClockError(f"the clock of this machine was set by {moved.total_seconds():+.0f} s")
        if store_time is None:
            return
        difference = self._clock.now() - store_time
        if abs(difference) > _MAX_DIFFERENCE:
            raise ClockError(
                f"the clock of this machine is {difference.total_seconds():+.0f} s from "
                "that of the store"
            )
