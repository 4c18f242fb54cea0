"""Background tasks: one that fails is logged, counted and started again.

A failure is an exception that the task did not handle itself, so a defect. It must not end the
task for all sessions, and the operator must see it.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from storage.retry import Backoff

logger = logging.getLogger(__name__)

_BACKOFF = Backoff(first_seconds=1.0, max_seconds=60.0)
_RECENT_SECONDS = 120.0  # more than any pause, so that a task that fails again and again is seen

Run = Callable[[], Awaitable[None]]


class Supervisor:
    """Runs background tasks. Several may have one name, as those of sessions have."""

    def __init__(
        self,
        *,
        backoff: Backoff = _BACKOFF,
        recent_seconds: float = _RECENT_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.failures: Counter[str] = Counter()
        self._backoff = backoff
        self._recent_seconds = recent_seconds
        self._monotonic = monotonic
        self._failed_at: dict[str, float] = {}
        self._names: set[str] = set()

    @property
    def failing(self) -> list[str]:
        """Return the names of the tasks that have failed within the last two minutes."""
        now = self._monotonic()
        return sorted(
            name for name, at in self._failed_at.items() if now - at <= self._recent_seconds
        )

    def states(self) -> dict[str, bool]:
        """Return whether each task runs: False if it has failed within the last two minutes."""
        failing = set(self.failing)
        return {name: name not in failing for name in sorted(self._names)}

    def start(self, name: str, run: Run) -> asyncio.Task[None]:
        """Run the task until it returns or is cancelled."""
        self._names.add(name)
        return asyncio.create_task(self._supervise(name, run), name=name)

    async def _supervise(self, name: str, run: Run) -> None:
        delays = self._backoff.delays()
        while True:
            started_at = self._monotonic()
            try:
                return await run()
            except Exception:
                now = self._monotonic()
                if now - started_at > self._recent_seconds:
                    delays = self._backoff.delays()
                self.failures[name] += 1
                self._failed_at[name] = now
                delay_seconds = next(delays)
                logger.exception(
                    "Background task failed: name=%s failures=%d restart_seconds=%.1f",
                    name,
                    self.failures[name],
                    delay_seconds,
                )
            await asyncio.sleep(delay_seconds)
