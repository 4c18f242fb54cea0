"""Takes over active sessions without a live owner: at the start, and after a node has died."""

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from uuid import UUID

from api.session.registry import Registry
from api.session.takeovers import TakeoverCause
from api.wire.errors import SessionCompletedError, SessionNotFoundError
from storage.base import Storage
from storage.errors import FencedError, OwnedElsewhereError, StorageError
from storage.retry import Backoff

logger = logging.getLogger(__name__)

_CHECKS_PER_LEASE = 8


class Takeover:
    """Opens in the registry the active sessions that have no live owner."""

    def __init__(
        self,
        registry: Registry,
        storage: Storage,
        *,
        lease_seconds: float,
        look: asyncio.Event | None = None,
    ) -> None:
        """``look`` is set when a worker of this machine has ended, and when all have started."""
        self._registry = registry
        self._storage = storage
        self._look = look or asyncio.Event()
        interval_seconds = lease_seconds / _CHECKS_PER_LEASE
        # With jitter, so that the live nodes share the sessions of a dead node.
        self._pauses = Backoff(first_seconds=interval_seconds, max_seconds=interval_seconds)

    async def run(self) -> None:
        """Recover, then take over the sessions of dead nodes, with retries, until cancelled."""
        has_left = False  # a worker has ended and may have left sessions
        for pause_seconds in self._pauses.delays():
            try:
                if not self._registry.recovered.is_set():
                    await self.recover()
                elif not has_left:
                    await self.open_orphans()
                if has_left:
                    await self.open_abandoned()
                    has_left = False
            except StorageError as error:
                logger.warning(
                    "Failed to list the sessions to take over, retrying: error=%s", error
                )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_seconds):
                    await self._look.wait()
                self._look.clear()
                has_left = True

    async def recover(self) -> None:
        """Take over the sessions that were active when the previous process ended."""
        await self._open_all(await self._storage.share(), "start")
        self._registry.recovered.set()

    async def open_abandoned(self) -> None:
        """Take over the active sessions that workers of this machine have left."""
        await self._open_all(await self._storage.abandoned(), "dead_worker")

    async def open_orphans(self) -> None:
        """Take over the active sessions of nodes that have died since."""
        await self._open_all(await self._storage.orphans(), "dead_node")

    async def _open_all(self, session_ids: Iterable[UUID], cause: TakeoverCause) -> None:
        for session_id in session_ids:
            try:
                await self._registry.open(await self._registry.lookup(str(session_id)), cause)
            except (SessionCompletedError, SessionNotFoundError, OwnedElsewhereError, FencedError):
                continue  # it has ended, or another node has taken it over
            except Exception:
                # One session must not keep the others from being taken over.
                logger.exception(
                    "%s: failed to take over the session; the next client that connects retries",
                    session_id,
                )
