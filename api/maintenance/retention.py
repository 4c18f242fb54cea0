"""Deletes completed sessions that are older than RETENTION_DAYS."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from api.clock import Clock
from api.maintenance.wall_clock import WallClock
from api.session.registry import Registry
from api.wire.errors import SessionNotFoundError
from api.wire.messages import SessionInfo
from storage.base import Storage
from storage.errors import RecordingNotFoundError, StorageError
from storage.manifest import Manifest

logger = logging.getLogger(__name__)

_SWEEP_SECONDS = 3600.0
_PAGE = 100
_MAX_DIFFERENCE = timedelta(minutes=5)


class ClockError(Exception):
    """The clock of this machine cannot tell how old recordings are."""


class Retention:
    """Deletes completed sessions that were recorded more than ``days`` ago.

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
        self._wall_clock = WallClock(clock)
        self._age = timedelta(days=days)
        self._deleted = deleted

    async def run(self) -> None:
        """Sweep until cancelled. Nodes that share a bucket may sweep at the same time."""
        while True:
            try:
                await self.sweep()
            except StorageError as error:
                logger.warning("Failed to list expired sessions, retrying in an hour: %s", error)
            except ClockError as error:
                logger.warning("Stopped deleting expired sessions, retrying in an hour: %s", error)
            await asyncio.sleep(_SWEEP_SECONDS)

    async def sweep(self) -> None:
        """Delete the sessions that are too old; list only these.

        Raises `ClockError` if the clock was set since the last sweep, or is not that of the store.
        """
        self._check_clock()
        cursor: str | None = str(_first_id(self._clock.now() - self._age))
        while cursor is not None:
            page = await self._registry.page(
                status="completed", user_id=None, limit=_PAGE, cursor=cursor
            )
            for session in page.sessions:
                self._check_clock()
                await self._delete(session)
            cursor = page.next_cursor

    def _check_clock(self) -> None:
        if moved := self._wall_clock.moved():
            raise ClockError(f"the clock of this machine was set by {moved.total_seconds():+.0f} s")

    async def _delete(self, session: SessionInfo) -> None:
        try:
            found = await self._registry.lookup(session.session_id)
            if not await self._is_expired(found.manifest):
                return
            await self._registry.delete(found)
        except SessionNotFoundError:
            return  # another node or a client deleted it
        except ClockError:
            raise
        except Exception:
            # One session must not keep the others from being deleted.
            logger.exception(
                "%s: failed to delete the expired session, retrying in an hour",
                session.session_id,
            )
            return
        self._deleted(session.session_id)

    async def _is_expired(self, manifest: Manifest) -> bool:
        """Return whether the session is too old. Raises `ClockError`."""
        moments = [manifest.completed_at or manifest.created_at]
        with contextlib.suppress(RecordingNotFoundError):  # the audio is gone already
            stored = await self._storage.stored_at(manifest)
            moments.append(stored.moment)
            if stored.now is not None:
                difference = self._clock.now() - stored.now
                if abs(difference) > _MAX_DIFFERENCE:
                    raise ClockError(
                        f"the clock of this machine is {difference.total_seconds():+.0f} s from "
                        "that of the store"
                    )
        return all(self._wall_clock.age(moment) > self._age for moment in moments)


def _first_id(moment: datetime) -> UUID:
    """Return a UUID below all ids of sessions created at ``moment`` or later, as a list cursor.

    The first 48 bits of a UUID version 7 are Unix milliseconds (RFC 9562, section 5.7).
    """
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=max(0, milliseconds) << 80 | 0x7 << 76 | 0x2 << 62)
