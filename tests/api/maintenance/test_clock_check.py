"""Deletions wait while the clock of the machine cannot be trusted."""

from datetime import timedelta

import pytest

from api.maintenance.clock_check import ClockCheck, ClockError
from tests.conftest import ManualClock


def test_a_clock_that_was_set_or_is_not_that_of_the_store_is_an_error(clock: ManualClock) -> None:
    check = ClockCheck(clock)
    check.check()
    check.check(clock.now() + timedelta(minutes=4))
    with pytest.raises(ClockError, match="from that of the store"):
        check.check(clock.now() - timedelta(minutes=6))
    clock.set_by_seconds = 86400
    with pytest.raises(ClockError, match="was set by"):
        check.check()
    check.check()
