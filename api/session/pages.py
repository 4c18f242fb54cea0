"""Pages of the list of sessions, live and stored."""

import asyncio
import logging
from collections.abc import Mapping
from uuid import UUID

from api.clock import Clock
from api.session.found import Live, Stored
from api.session.info import session_info
from api.session.live_sessions import LiveSessions
from api.session.other_workers import OtherWorkers
from api.wire.messages import SessionInfo, SessionPage
from storage.base import Storage
from storage.errors import StorageError
from storage.filters import ALL, Filters
from storage.manifest import Manifest

logger = logging.getLogger(__name__)

_INFOS_AT_ONCE = 16  # active sessions of a page that are read concurrently


class Pages:
    """Reads pages; a session that is live in the service is listed with its current counts."""

    def __init__(
        self, storage: Storage, clock: Clock, live: LiveSessions, other_workers: OtherWorkers
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._live = live
        self._other_workers = other_workers

    async def read(
        self,
        filters: Filters = ALL,
        *,
        limit: int,
        cursor: UUID | None = None,
    ) -> SessionPage:
        """Return one page of sessions; its cursor is the id of a session."""
        page = await self._storage.manifests(filters, limit=limit, cursor=cursor)
        at_once = asyncio.Semaphore(_INFOS_AT_ONCE)
        elsewhere = await self._live_elsewhere(page.manifests)

        async def info(manifest: Manifest) -> SessionInfo:
            if (found := elsewhere.get(manifest.session_id)) is not None:
                return found
            async with at_once:
                return await self._current_info(manifest)

        infos = await asyncio.gather(*map(info, page.manifests))
        return SessionPage(sessions=infos, next_cursor=page.next_cursor, total=page.total)

    def live_between(self, oldest: UUID, newest: UUID) -> list[SessionInfo]:
        """Return the information about sessions that are live here, for other workers."""
        return [session.info() for session in self._live.between(oldest, newest)]

    async def _live_elsewhere(self, page: list[Manifest]) -> Mapping[str, SessionInfo]:
        """Return the current information about sessions of the page that other workers write."""
        ids = [UUID(each.session_id) for each in page if each.status == "active"]
        ids = [each for each in ids if each not in self._live]
        return await self._other_workers.live_sessions(min(ids), max(ids)) if ids else {}

    async def _current_info(self, manifest: Manifest) -> SessionInfo:
        key = UUID(manifest.session_id)
        session = self._live.get(key)
        found = Stored(manifest, self._storage, self._clock) if session is None else Live(session)
        try:
            return await found.info()
        except StorageError as error:  # one bad session must not hide the others
            logger.warning(
                "%s: failed to read the progress, listed without counts: error=%s",
                manifest.session_id,
                error,
            )
            return session_info(manifest, location=self._storage.location(key))
