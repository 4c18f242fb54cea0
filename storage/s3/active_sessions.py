"""Find the active sessions of the bucket, and those whose node has died."""

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from uuid import UUID

from storage import threads
from storage.errors import BadObjectError, RecordingNotFoundError
from storage.s3 import keys
from storage.s3.cleaning import SessionCleaner
from storage.s3.client.bucket import Bucket
from storage.s3.keys import SessionKeys
from storage.s3.ownership.lease import last_owner
from storage.s3.ownership.node import Node
from storage.s3.writing.manifests import read_manifest
from storage.s3.writing.spool import SpoolFolder

logger = logging.getLogger(__name__)

_CREATE_GRACE_SECONDS = 3600  # creating a session takes less


class ActiveSessions:
    """The sessions that are marked as active.

    A look at them begins the cleaning of those that have ended, and removes the spools that the
    process before left of sessions that have ended elsewhere.
    """

    def __init__(
        self,
        bucket: Bucket,
        node: Node,
        spools: SpoolFolder,
        cleaning: SessionCleaner,
        now: Callable[[], datetime],
    ) -> None:
        self._bucket = bucket
        self._node = node
        self._spools = spools
        self._cleaner = cleaning
        self._now = now
        self._left_spools: set[UUID] = set()  # by the process before

    async def start(self) -> None:
        """Note which spools the process before left."""
        self._left_spools = await threads.recording.run(self._spools.sessions)

    def opened(self, session_id: UUID) -> None:
        """Leave the spool of a session to its recording, which keeps or removes it."""
        self._left_spools.discard(session_id)

    async def all(self) -> list[UUID]:
        """Return the active sessions, oldest first."""
        found = []
        listed = await self._bucket.keys(keys.ACTIVE)
        for session_id in sorted(self._bucket.skipped.parsed(listed, keys.session_of)):
            try:
                if await self._is_active(session_id):
                    found.append(session_id)
            except BadObjectError as error:
                # Its spool stays: the release that wrote the session can read it.
                self._bucket.skipped.report(str(session_id), error)
                self._left_spools.discard(session_id)
        for session_id in self._left_spools - set(found):
            logger.warning("%s: removed the spool, the session has ended elsewhere", session_id)
            await threads.recording.run(self._spools.remove, session_id)
        self._left_spools.clear()
        return found

    async def left_in(self, folders: list[Path]) -> list[UUID]:
        """Return the active sessions that have a spool in folders that were just adopted.

        If it fails, the next call returns them too.
        """
        self._left_spools |= await threads.recording.run(self._spools.sessions, folders)
        if not (left := self._left_spools.copy()):
            return []
        return [each for each in await self.all() if each in left]

    async def orphans(self) -> list[UUID]:
        """Return the active sessions of dead nodes. Remove dead nodes that have none."""
        dead = await self._node.peers.dead()
        if not dead:
            return []
        found, owners = [], set()
        for session_id in await self.all():
            owner = await last_owner(self._bucket, SessionKeys(session_id))
            if owner is not None:
                owners.add(owner.node_id)
                if owner.node_id in dead:
                    found.append(session_id)
        for node_id in set(dead) - owners:
            await self._node.peers.remove(node_id)
        return found

    async def _is_active(self, session_id: UUID) -> bool:
        try:
            manifest = await read_manifest(self._bucket, session_id)
        except RecordingNotFoundError:
            age_seconds = self._now().timestamp() - keys.created_at(session_id)
            if age_seconds > _CREATE_GRACE_SECONDS:
                self._cleaner.start(session_id)  # the process that created it has died
            return False
        if manifest.status != "active":
            self._cleaner.start(session_id)
        return manifest.status == "active"
