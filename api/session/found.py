"""The result of looking a session up: live in this process, or stored. Reading changes nothing."""

from typing import TypeAlias
from uuid import UUID

from api.clock import Clock
from api.session.info import session_info
from api.session.session import Session
from api.wire.errors import SessionNotFoundError
from api.wire.messages import SessionInfo
from storage.base import Audio, Link, Progress, Storage
from storage.errors import RecordingNotFoundError, StorageError
from storage.manifest import Manifest
from storage.timeline import encode


class Live:
    """A session that is live in this process."""

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
        """Return None: the store has a link to completed audio only."""
        del ttl_seconds
        return None

    async def timeline(self) -> bytes:
        """Return the timeline so far, as JSON."""
        return encode(await self.session.timeline())

    async def owner(self) -> str | None:
        """Return None: this process is the owner."""
        return None


class Stored:
    """A session that is not live in this process: completed, owned by another node, or unowned.

    A look-up reads only ``manifest``.
    """

    def __init__(self, manifest: Manifest, storage: Storage, clock: Clock) -> None:
        self.manifest = manifest
        self._storage = storage
        self._clock = clock

    @property
    def session_id(self) -> UUID:
        return UUID(self.manifest.session_id)

    async def info(self) -> SessionInfo:
        """Return the stored information; for an active session, what a takeover would continue."""
        progress = await self._progress() if self.manifest.status == "active" else None
        return session_info(
            self.manifest if progress is None else self.manifest.advanced_to(progress.checkpoint),
            location=self._storage.location(self.session_id),
            persisted_chunk_count=None if progress is None else progress.persisted.chunk_count,
            is_paused=progress is not None and progress.checkpoint.pause is not None,
        )

    async def audio(self) -> Audio:
        """Return the stored audio. Raises :class:`SessionNotFoundError`."""
        try:
            return await self._storage.audio(self.manifest)
        except RecordingNotFoundError as error:
            raise SessionNotFoundError(self.manifest.session_id) from error

    async def link(self, ttl_seconds: int) -> Link | None:
        """Return a presigned link to completed audio; None if the storage has none."""
        return await self._storage.link(self.manifest, ttl_seconds, self._clock.now())

    async def timeline(self) -> bytes:
        """Return the timeline as JSON: of an active session, what a takeover would continue."""
        return await self._storage.timeline(self.manifest)

    async def owner(self) -> str | None:
        """Return the address of the node that owns the session; None if no live node does."""
        if self.manifest.status != "active":
            return None
        return await self._storage.owner(self.manifest)

    async def _progress(self) -> Progress | None:
        """Return the progress of the active session; None if it is completed meanwhile.

        If it is completed, ``manifest`` is replaced by the new one. The manifest of an active
        session does not change. Completion removes the segments and the state, which may happen
        after the manifest was read.
        """
        try:
            progress = await self._storage.progress(self.manifest)
        except StorageError:
            if await self._is_completed():
                return None
            raise
        if not progress.checkpoint.chunk_count and await self._is_completed():
            return None
        return progress

    async def _is_completed(self) -> bool:
        """Read the manifest again; keep it and return True if the session is completed."""
        manifest = await self._storage.manifest(self.session_id)
        if manifest.status == "active":
            return False
        self.manifest = manifest
        return True


Found: TypeAlias = Live | Stored


async def read_manifest(storage: Storage, key: UUID) -> Manifest:
    """Return the manifest of a session. Raises :class:`SessionNotFoundError`."""
    try:
        return await storage.manifest(key)
    except RecordingNotFoundError as error:
        raise SessionNotFoundError(str(key)) from error
