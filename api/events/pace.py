"""A limit on how often something is started: at most so many at once and per second."""

from collections.abc import Callable


class Pace:
    """A token bucket for one second. Without a start for a second it is full."""

    def __init__(self, per_second: float, monotonic: Callable[[], float]) -> None:
        self._per_second = per_second
        self._monotonic = monotonic
        self._tokens = per_second
        self._counted_at = monotonic()

    @property
    def wait_seconds(self) -> float:
        """Return how long to wait before the next start; 0 if it may be now."""
        return max(0.0, (1.0 - self._tokens_now()) / self._per_second)

    def count(self) -> None:
        """Count a start."""
        self._tokens, self._counted_at = self._tokens_now() - 1.0, self._monotonic()

    def _tokens_now(self) -> float:
        passed_seconds = self._monotonic() - self._counted_at
        return min(self._per_second, self._tokens + passed_seconds * self._per_second)
