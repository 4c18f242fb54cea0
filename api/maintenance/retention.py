"""Deletes completed sessions that are older than RETENTION_DAYS."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from api.clock import Clock
from api.session.registry import Registry
from api.wire.errors import SessionNotFoundError
from api.wire.messages import SessionInfo
from storage.errors import StorageError

logger = logging.getLogger(__name__)

_SWEEP_SECONDS = 3600.0
_PAGE = 100


class Retention:
    """Deletes completed sessions that were created more than ``days`` ago."""

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        *,
        days: float,
        deleted: Callable[[str], None],
    ) -> None:
        """Create the task; ``deleted`` is called with the id of each deleted session."""
        self._registry = registry
        self._clock = clock
        self._age = timedelta(days=days)
        self._deleted = deleted

    async def run(self) -> None:
        """Sweep until cancelled. Nodes that share a bucket may sweep at the same time."""
        while True:
            try:
                await self.sweep()
            except StorageError as error:
                logger.warning("Failed to list expired sessions, retrying in an hour: %s", error)
            await asyncio.sleep(_SWEEP_SECONDS)

    async def sweep(self) -> None:
        """Delete the sessions that are too old; list only these."""
        cursor: str | None = str(_first_id(self._clock.now() - self._age))
        while cursor is not None:
            page = await self._registry.page(
                status="completed", user_id=None, limit=_PAGE, cursor=cursor
            )
            for session in page.sessions:
                await self._delete(session)
            cursor = page.next_cursor

    async def _delete(self, session: SessionInfo) -> None:
        try:
            await self._registry.delete(await self._registry.lookup(session.session_id))
        except SessionNotFoundError:
            return  # another node or a client deleted it
        except Exception:
            # One session must not keep the others from being deleted.
            logger.exception(
                "%s: failed to delete the expired session, retrying in an hour",
                session.session_id,
            )
            return
        self._deleted(session.session_id)


def _first_id(moment: datetime) -> UUID:
    """Return a UUID below all ids of sessions created at ``moment`` or later, as a list cursor.

    The first 48 bits of a UUID version 7 are Unix milliseconds (RFC 9562, section 5.7).
    """
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=max(0, milliseconds) << 80 | 0x7 << 76 | 0x2 << 62)
