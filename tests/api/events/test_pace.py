"""At most so many starts at once and per second."""

from api.events.pace import Pace
from tests.conftest import ManualClock


def starts(pace: Pace) -> int:
    """Start as often as the pace allows now."""
    count = 0
    while not pace.wait_seconds:
        pace.count()
        count += 1
    return count


def test_a_second_has_no_more_starts_than_it_may() -> None:
    clock = ManualClock()
    pace = Pace(4.0, clock.monotonic)
    assert starts(pace) == 4
    assert pace.wait_seconds == 0.25
    clock.seconds += 0.5
    assert starts(pace) == 2
    clock.seconds += 3600
    assert starts(pace) == 4
