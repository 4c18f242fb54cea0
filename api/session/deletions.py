"""The deletion of sessions, live and stored."""

from uuid import UUID

from api.session.events import SessionEvents
from api.session.found import Found
from api.session.info import session_info
from api.session.live_sessions import LiveSessions
from api.session.session_ids import parse_session_id
from api.session.takeovers import Takeovers
from api.wire.errors import SessionNotFoundError
from api.wire.messages import SessionInfo
from storage.base import AgedSession, Storage
from storage.errors import RecordingNotFoundError, SessionHeldError
from storage.manifest import Manifest


class Deletions:
    """Deletes sessions, each with its event; contains the ids of those that are being deleted."""

    def __init__(
        self, storage: Storage, live: LiveSessions, takeovers: Takeovers, events: SessionEvents
    ) -> None:
        self._storage = storage
        self._live = live
        self._takeovers = takeovers
        self._events = events
        self._running: set[UUID] = set()

    def __contains__(self, key: UUID) -> bool:
        return key in self._running

    async def delete(self, found: Found) -> None:
        """Delete everything that is stored of a session; release it first if it is live.

        Raises :class:`SessionNotFoundError`, and `SessionHeldError`; then it goes on.
        """
        key = found.session_id
        self._running.add(key)
        try:
            await self._takeovers.wait(key)
            session = self._live.get(key)
            info = self._info(found.manifest) if session is None else session.info()
            if info.hold:
                raise SessionHeldError(str(key))
            if session is not None:
                await session.delete()
            async with self._events.deleting({str(key): info}):
                await self._storage.delete(found.manifest)
        except RecordingNotFoundError as error:
            raise SessionNotFoundError(str(key)) from error
        finally:
            self._running.discard(key)

    async def delete_damaged(self, session_id: str) -> None:
        """Delete everything that is stored of a session whose manifest cannot be read."""
        key = parse_session_id(session_id)
        async with self._events.deleting({str(key): None}):
            await self._storage.delete_damaged(key)

    async def delete_completed(
        self, sessions: list[tuple[AgedSession, Manifest]]
    ) -> dict[UUID, Exception]:
        """Delete completed sessions; return the errors of those that remain, at least in part."""
        infos = {manifest.session_id: self._info(manifest) for _, manifest in sessions}
        async with self._events.deleting(infos):
            return await self._storage.delete_completed(sessions)

    def _info(self, manifest: Manifest) -> SessionInfo:
        """Return what is known of a session without a read."""
        return session_info(manifest, location=self._storage.location(UUID(manifest.session_id)))
