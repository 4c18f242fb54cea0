"""Delays between attempts."""

from sercuescribe_client.backoff import Backoff, Retries


def test_delays_are_random_below_a_maximum_that_doubles_up_to_a_cap() -> None:
    asked: list[tuple[float, float]] = []
    backoff = Backoff(lambda low, high: asked.append((low, high)) or high)  # type: ignore[func-returns-value]
    for _ in range(7):
        backoff.next_seconds()
    assert asked == [(0, high) for high in (0.25, 0.5, 1, 2, 4, 5, 5)]
    backoff.reset()
    assert backoff.next_seconds() == 0.25


async def test_retries_end_when_all_have_failed_for_the_time() -> None:
    retries = Retries(timeout_seconds=0)
    assert retries.next_seconds(0) is None
    assert retries.next_seconds(7) == 7  # the service answers
    patient = Retries(timeout_seconds=60)
    assert patient.next_seconds(0) is not None
    assert patient.failing_seconds >= 0
    patient.succeeded()
    assert patient.failing_seconds == 0
