"""The delay before the next attempt."""

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
