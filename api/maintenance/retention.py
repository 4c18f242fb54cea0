"""Deletes completed sessions that are older than RETENTION_DAYS."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from api.clock import Clock
from api.maintenance.clock_check import ClockCheck, ClockError
from api.maintenance.deletion import delete_completed
from api.session.registry import Registry
from storage.base import AgedSession, Storage
from storage.errors import BadObjectError, RecordingNotFoundError, StorageError
from storage.manifest import Manifest
from storage.skipped import SkippedObjects

logger = logging.getLogger(__name__)

_SWEEP_SECONDS = 3600.0
_STANDBY_SECONDS = 60.0  # until a process that is not the sweeper asks again
_CONCURRENT_READS = 16


class Retention:
    """Deletes completed sessions that were recorded more than ``days`` ago.

    Sessions with a hold stay, and those with a time of their own: see `api.maintenance.expiration`.

    The age is that of the completion or of the file in the store, whichever is lower: the clock of
    the machine may have been wrong while it recorded.
    """

    def __init__(
        self,
        registry: Registry,
        storage: Storage,
        clock: Clock,
        *,
        days: float,
        deleted: Callable[[str], None],
    ) -> None:
        """Create the task; ``deleted`` is called with the id of each deleted session."""
        self._registry = registry
        self._storage = storage
        self._clock = clock
        self._clock_check = ClockCheck(clock)
        self._age = timedelta(days=days)
        self._deleted = deleted
        self._skipped = SkippedObjects()
        self._reading = asyncio.Semaphore(_CONCURRENT_READS)

    async def run(self) -> None:
        """Sweep until cancelled. Of the processes that share a bucket, one deletes."""
        while True:
            pause_seconds = _SWEEP_SECONDS
            try:
                if not await self.sweep():
                    pause_seconds = _STANDBY_SECONDS
            except StorageError as error:
                logger.warning(
                    "Failed to list expired sessions, retrying in an hour: error=%s", error
                )
            except ClockError as error:
                logger.warning(
                    "Stopped deleting expired sessions, retrying in an hour: error=%s", error
                )
            await asyncio.sleep(pause_seconds)

    async def sweep(self) -> bool:
        """Delete the sessions that are too old, in one pass.

        Return False if this process is not the sweeper, or not any more. Raises
        `ClockError` if the clock was set since the last sweep, or is not that of the store.
        """
        self._clock_check.check()
        before = _first_id(self._clock.now() - self._age)
        async with contextlib.aclosing(self._storage.sessions_below(before)) as pages:
            while await self._storage.is_sweeper():
                page = await anext(pages, None)
                if page is None:
                    return True
                self._clock_check.check(page.store_time)
                await self._delete_expired(page.sessions)
        return False

    async def _delete_expired(self, page: list[AgedSession]) -> None:
        live = {session.session_id for session in self._registry.live}
        old = [
            each
            for each in page
            if (each.stored_at is None or self._is_old(each.stored_at))
            and each.session_id not in live
        ]
        manifests = await asyncio.gather(*(self._manifest(each.session_id) for each in old))
        expired = [
            (found, manifest)
            for found, manifest in zip(old, manifests, strict=True)
            if manifest is not None
            and manifest.status == "completed"
            and not manifest.hold
            and manifest.expires_at is None
            and self._is_old(manifest.completed_at or manifest.created_at)
        ]
        failed = await delete_completed(self._registry.deletions, expired, self._deleted)
        for session_id, error in failed.items():
            _log_failure(session_id, error)

    def _is_old(self, moment: datetime) -> bool:
        return self._clock_check.wall_clock.age(moment) > self._age

    async def _manifest(self, session_id: UUID) -> Manifest | None:
        """Return the manifest; None if it cannot be read, which must not stop the sweep."""
        try:
            async with self._reading:
                return await self._storage.manifest(session_id)
        except RecordingNotFoundError:
            return None  # another process or a client deleted it
        except BadObjectError as error:
            self._skipped.report(str(session_id), error)
        except StorageError as error:
            _log_failure(session_id, error)
        return None


def _log_failure(session_id: UUID, error: Exception) -> None:
    logger.error(
        "%s: failed to delete the expired session, retrying in an hour",
        session_id,
        exc_info=error,
    )


def _first_id(moment: datetime) -> UUID:
    """Return a UUID below all ids of sessions created at ``moment`` or later.

    The first 48 bits of a UUID version 7 are Unix milliseconds (RFC 9562, section 5.7).
    """
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=max(0, milliseconds) << 80 | 0x7 << 76 | 0x2 << 62)
