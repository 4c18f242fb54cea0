"""The delay before the next attempt, and when there is none any more."""

import asyncio
import random
from collections.abc import Callable

INITIAL_DELAY_SECONDS = 0.25
MAX_DELAY_SECONDS = 5.0


class Backoff:
    """Exponential backoff with full jitter, so that many clients do not reconnect at once."""

    def __init__(self, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._uniform = uniform
        self._max_delay_seconds = INITIAL_DELAY_SECONDS

    def next_seconds(self) -> float:
        seconds = self._uniform(0, self._max_delay_seconds)
        self._max_delay_seconds = min(self._max_delay_seconds * 2, MAX_DELAY_SECONDS)
        return seconds

    def reset(self) -> None:
        self._max_delay_seconds = INITIAL_DELAY_SECONDS


class Retries:
    """The delays between attempts that fail, for at most ``timeout_seconds`` in a row.

    A service that says when to come again answers: this time does not count.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._backoff = Backoff()
        self._failing_since: float | None = None

    @property
    def failing_seconds(self) -> float:
        """Return for how long all attempts have failed."""
        return 0.0 if self._failing_since is None else _now() - self._failing_since

    def succeeded(self) -> None:
        """Note an attempt that got anywhere."""
        self._failing_since = None
        self._backoff.reset()

    def next_seconds(self, retry_after_seconds: float) -> float | None:
        """Return the delay after a failed attempt; None if the next one would be too late."""
        seconds = max(self._backoff.next_seconds(), retry_after_seconds)
        if retry_after_seconds:
            self._failing_since = None
        elif self._failing_since is None:
            self._failing_since = _now()
        is_late = self.failing_seconds + seconds > self._timeout_seconds
        return None if is_late and not retry_after_seconds else seconds


def _now() -> float:
    return asyncio.get_running_loop().time()
