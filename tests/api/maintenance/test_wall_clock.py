"""Ages are right although the wall clock is set while the process runs."""

from datetime import timedelta

from api.maintenance.wall_clock import WallClock
from tests.conftest import ManualClock

HOUR = 3600


def test_a_clock_that_runs_or_is_corrected_by_minutes_was_not_set() -> None:
    clock = ManualClock()
    wall_clock = WallClock(clock)
    for _ in range(20):
        clock.seconds += 1000 * HOUR
        clock.set_by_seconds += HOUR - 1
        assert wall_clock.moved() is None


def test_a_clock_that_is_set_is_noticed_once() -> None:
    clock = ManualClock()
    wall_clock = WallClock(clock)
    clock.seconds, clock.set_by_seconds = 60, -HOUR
    assert wall_clock.moved() == timedelta(hours=-1)
    assert wall_clock.moved() is None


def test_the_age_of_what_the_process_saw_is_the_monotonic_time() -> None:
    clock = ManualClock()
    wall_clock = WallClock(clock)
    moments = []
    for _ in range(3):
        clock.seconds += HOUR
        moments.append(clock.now())
        clock.seconds += HOUR
        clock.set_by_seconds += 1000 * HOUR
        assert wall_clock.moved()
    ages = [wall_clock.age(moment) / timedelta(hours=1) for moment in moments]
    assert ages == [5, 3, 1]


def test_the_age_of_what_was_before_the_process_is_that_of_the_wall_clock() -> None:
    clock = ManualClock()
    before = clock.now() - timedelta(days=1)
    wall_clock = WallClock(clock)
    clock.seconds, clock.set_by_seconds = 60, 10 * HOUR
    assert wall_clock.moved()
    assert wall_clock.age(before) == timedelta(hours=34, seconds=60)
