"""Deletes completed sessions whose ``expires_at`` has come."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from api.clock import Clock
from api.maintenance.clock_check import ClockCheck, ClockError
from api.maintenance.deletion import delete_completed
from api.session.registry import Registry
from storage.base import ExpiredPage, Storage
from storage.errors import StorageError

logger = logging.getLogger(__name__)

_SWEEP_SECONDS = 60.0
_RETRY_SECONDS = 3600.0


class Expiration:
    """Deletes sessions within about a minute after their time, by the index of those times."""

    def __init__(
        self,
        registry: Registry,
        storage: Storage,
        clock: Clock,
        *,
        deleted: Callable[[str], None],
    ) -> None:
        """Create the task; ``deleted`` is called with the id of each deleted session."""
        self._registry = registry
        self._storage = storage
        self._clock = clock
        self._clock_check = ClockCheck(clock)
        self._deleted = deleted

    async def run(self) -> None:
        """Sweep until cancelled. Of the processes that share a bucket, one deletes."""
        while True:
            pause_seconds = _SWEEP_SECONDS
            try:
                await self.sweep()
            except (StorageError, ClockError) as error:
                logger.warning(
                    "Failed to delete sessions by expires_at, retrying in an hour: error=%s", error
                )
                pause_seconds = _RETRY_SECONDS
            await asyncio.sleep(pause_seconds)

    async def sweep(self) -> None:
        """Delete the sessions that have expired.

        Raises `ClockError` if the clock was set since the last sweep, or is not that of the store.
        """
        self._clock_check.check()
        if not await self._storage.is_sweeper():
            return
        async with contextlib.aclosing(self._storage.expired(self._clock.now())) as pages:
            async for page in pages:
                self._clock_check.check(page.store_time)
                await self._delete(page)

    async def _delete(self, page: ExpiredPage) -> None:
        live = {session.session_id for session in self._registry.live}
        sessions = [each for each in page.sessions if each[0].session_id not in live]
        failed = await delete_completed(self._registry.deletions, sessions, self._deleted)
        for session_id, error in failed.items():
            logger.error(
                "Failed to delete the expired session, retrying in a minute: session=%s",
                session_id,
                exc_info=error,
            )
