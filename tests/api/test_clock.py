"""The clocks of the operating system."""

from datetime import UTC, datetime

from api.clock import Clock, SystemClock

_: Clock = SystemClock()


def test_the_date_is_that_of_the_machine_and_in_utc() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert before <= now <= datetime.now(UTC)
    assert now.tzinfo is UTC


def test_monotonic_seconds_never_go_back() -> None:
    clock = SystemClock()
    seconds = [clock.monotonic() for _ in range(100)]
    assert seconds == sorted(seconds)
