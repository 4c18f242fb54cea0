"""A session as one look-up finds it: live in this process, or stored. Reading changes nothing."""

import logging
from typing import TypeAlias
from uuid import UUID

from api.clock import Clock
from api.session.info import session_info
from api.session.session import Session
from api.wire.errors import SessionNotFoundError
from api.wire.messages import SessionInfo
from storage.base import Audio, Link, Progress, Storage
from storage.checkpoint import Checkpoint
from storage.errors import RecordingNotFoundError, StorageError
from storage.manifest import Manifest

logger = logging.getLogger(__name__)


class Live:
    """A session that this process records."""

    def __init__(self, session: Session) -> None:
        self.session = session

    @property
    def manifest(self) -> Manifest:
        return self.session.recording.manifest

    @property
    def session_id(self) -> UUID:
        return self.session.session_id

    async def info(self) -> SessionInfo:
        return self.session.info()

    async def audio(self) -> Audio:
        return await self.session.recording.audio()

    async def link(self, ttl_seconds: int) -> Link | None:
        """Return None: the audio is not finished."""
        del ttl_seconds
        return None

    async def owner(self) -> str | None:
        """Return None: no other node records it."""
        return None


class Stored:
    """A session that this process does not record: completed, or another node's, or none's.

    ``manifest`` is all that was read of it so far.
    """

    def __init__(self, manifest: Manifest, storage: Storage, clock: Clock) -> None:
        self.manifest = manifest
        self._storage = storage
        self._clock = clock

    @property
    def session_id(self) -> UUID:
        return UUID(self.manifest.session_id)

    async def info(self) -> SessionInfo:
        """Return what is stored; of an active session, where a takeover would continue."""
        progress = await self._progress() if self.manifest.status == "active" else None
        return session_info(
            self.manifest if progress is None else self.manifest.advanced_to(progress.checkpoint),
            location=self._storage.location(self.session_id),
            persisted_chunk_count=None if progress is None else progress.persisted.chunk_count,
        )

    async def audio(self) -> Audio:
        """Return the audio that is stored. Raises :class:`SessionNotFoundError`."""
        try:
            return await self._storage.audio(self.manifest)
        except RecordingNotFoundError as error:
            raise SessionNotFoundError(self.manifest.session_id) from error

    async def link(self, ttl_seconds: int) -> Link | None:
        """Return the store's own link to finished audio; None if there is none."""
        return await self._storage.link(self.manifest, ttl_seconds, self._clock.now())

    async def owner(self) -> str | None:
        """Return the address of the living node that records it; None if there is none."""
        if self.manifest.status != "active":
            return None
        return await self._storage.owner(self.manifest)

    async def _progress(self) -> Progress | None:
        """Return how far the active session got; None, with the new manifest, if it is completed.

        The manifest of an active session stands still. Its segments and state are removed when it
        is completed, which may happen after the manifest was read.
        """
        try:
            progress = await self._storage.progress(self.manifest)
        except StorageError:
            if await self._is_completed():
                return None
            raise
        if progress.checkpoint == Checkpoint() and await self._is_completed():
            return None
        return progress

    async def _is_completed(self) -> bool:
        """Read the manifest again, and keep it if it says that the session is completed."""
        manifest = await self._storage.manifest(self.session_id)
        if manifest.status == "active":
            return False
        self.manifest = manifest
        return True


Found: TypeAlias = Live | Stored
