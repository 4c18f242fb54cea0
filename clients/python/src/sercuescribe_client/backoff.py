"""How long to wait before the next attempt."""

import random
from collections.abc import Callable

FIRST_SECONDS = 0.25
LONGEST_SECONDS = 5.0


class Backoff:
    """Exponential, with full jitter: clients that lost one server do not come back as one."""

    def __init__(self, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._uniform = uniform
        self._ceiling = FIRST_SECONDS

    def next_seconds(self) -> float:
        seconds = self._uniform(0, self._ceiling)
        self._ceiling = min(self._ceiling * 2, LONGEST_SECONDS)
        return seconds

    def reset(self) -> None:
        self._ceiling = FIRST_SECONDS
