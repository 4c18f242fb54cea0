"""Recordings that have been kept for as long as they should be are deleted, every trace of them."""

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
    """Deletes what began more than ``days`` ago and is not being recorded."""

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        *,
        days: float,
        deleted: Callable[[str], None],
    ) -> None:
        """``deleted`` is called with the id of each session that was deleted."""
        self._registry = registry
        self._clock = clock
        self._age = timedelta(days=days)
        self._deleted = deleted

    async def run(self) -> None:
        """Sweep until cancelled. Where nodes share a bucket, each does, and none minds."""
        while True:
            try:
                await self.sweep()
            except StorageError as error:
                logger.warning("old recordings could not be looked for: %s", error)
            await asyncio.sleep(_SWEEP_SECONDS)

    async def sweep(self) -> None:
        """Delete what is too old by now. Sessions are listed from that age on, not all of them."""
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
            return  # somebody was faster
        except StorageError as error:
            logger.warning("%s is kept until the next time: %s", session.session_id, error)
            return
        self._deleted(session.session_id)


def _first_id(moment: datetime) -> UUID:
    """Below all session ids of ``moment`` or later; listings, newest first, take it for a cursor.

    The first 48 bits of a UUID version 7 are milliseconds (RFC 9562, section 5.7).
    """
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=max(0, milliseconds) << 80 | 0x7 << 76 | 0x2 << 62)
