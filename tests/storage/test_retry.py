"""Retries with growing delays, up to a cap and a number of retries."""

import itertools
import random

import pytest

from storage.retry import Backoff, retry


class Flaky:
    """Fails with each of ``errors``, then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        return "done"


class Sleeps:
    """Records the delays, and does not sleep."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def longest(low: float, high: float) -> float:
    del low
    return high


def shortest(low: float, high: float) -> float:
    del high
    return low


def test_delays_grow_up_to_a_cap() -> None:
    backoff = Backoff(first_seconds=1, max_seconds=10)
    delays = itertools.islice(backoff.delays(longest), 6)
    assert list(delays) == [1, 2, 4, 8, 10, 10]


def test_a_first_delay_above_the_cap_is_the_cap() -> None:
    backoff = Backoff(first_seconds=60, max_seconds=30)
    assert next(backoff.delays(longest)) == 30


def test_there_are_as_many_delays_as_retries() -> None:
    backoff = Backoff(first_seconds=1, max_seconds=100, factor=3, retries=4)
    assert list(backoff.delays(longest)) == [1, 3, 9, 27]


def test_jitter_shortens_each_delay_and_does_not_add_up() -> None:
    backoff = Backoff(first_seconds=1, max_seconds=10, jitter=0.25, retries=4)
    assert list(backoff.delays(shortest)) == [0.75, 1.5, 3, 6]


def test_jitter_uses_the_given_random_source() -> None:
    backoff = Backoff(first_seconds=1, max_seconds=10, retries=20)
    one, other = (list(backoff.delays(random.Random(7).uniform)) for _ in range(2))
    assert one == other
    assert len(set(one)) == 20
    assert all(0.5 <= delay <= 10 for delay in one)


async def test_a_successful_action_runs_once() -> None:
    action, sleep = Flaky(), Sleeps()
    assert await retry(action, on=OSError, delays=[1, 2], sleep=sleep) == "done"
    assert (action.calls, sleep.seconds) == (1, [])


async def test_a_failed_action_runs_again_after_each_delay() -> None:
    first, second = OSError("first"), OSError("second")
    action, sleep = Flaky(first, second), Sleeps()
    told: list[tuple[Exception, float]] = []
    result = await retry(
        action,
        on=(OSError, ValueError),
        delays=[1, 2, 3],
        failed=lambda *failure: told.append(failure),
        sleep=sleep,
    )
    assert (result, action.calls, sleep.seconds) == ("done", 3, [1, 2])
    assert told == [(first, 1), (second, 2)]


async def test_the_last_error_is_raised_after_the_last_retry() -> None:
    action, sleep = Flaky(OSError("1"), OSError("2"), OSError("3")), Sleeps()
    with pytest.raises(OSError, match="3"):
        await retry(action, on=OSError, delays=[1, 2], sleep=sleep)
    assert sleep.seconds == [1, 2]


async def test_other_errors_are_raised_at_once() -> None:
    action, sleep = Flaky(KeyError("other")), Sleeps()
    with pytest.raises(KeyError):
        await retry(action, on=OSError, delays=[1], sleep=sleep)
    action = Flaky(FileNotFoundError("excepted"))
    with pytest.raises(FileNotFoundError):
        await retry(action, on=OSError, unless=FileNotFoundError, delays=[1], sleep=sleep)
    assert (action.calls, sleep.seconds) == (1, [])
