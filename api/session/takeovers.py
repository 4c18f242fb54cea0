"""Takes active sessions over from storage, which the process before has left."""

import asyncio
import logging
from collections.abc import Callable
from typing import Literal
from uuid import UUID

from api.audio.formats import INPUT_KINDS
from api.observe import log_context
from api.observe.metrics import Metrics
from api.observe.tracing import Tracing
from api.session.events import SessionEvents
from api.session.found import read_manifest
from api.session.session import Session
from api.wire.errors import SessionCompletedError
from storage.base import Recording, Storage
from storage.errors import BadObjectError, RecordingNotFoundError, StorageUnavailableError
from storage.manifest import Manifest

logger = logging.getLogger(__name__)

# Why a session is taken over: this process has started, its node has died, a client needs it.
TakeoverCause = Literal["start", "dead_node", "dead_worker", "client"]

# A takeover that decodes much kept input takes longer; the next process starts it again.
_STOP_SECONDS = 2.0


class Takeovers:
    """Opens each session once, however many callers need it.

    ``new_session`` returns the session of a recording. ``entered`` is called with each session
    that was taken over.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        new_session: Callable[[Recording], Session],
        entered: Callable[[Session], None],
        events: SessionEvents,
        metrics: Metrics,
        tracing: Tracing,
    ) -> None:
        self._storage = storage
        self._new_session = new_session
        self._entered = entered
        self._events = events
        self._metrics = metrics
        self._tracing = tracing
        self._running: dict[UUID, asyncio.Task[Session]] = {}

    async def take_over(
        self, key: UUID, manifest: Manifest | None, cause: TakeoverCause
    ) -> Session:
        """Return the session, opened from storage; ``manifest`` None: it is read first.

        ``cause`` is for the metrics. Continues if the caller is cancelled. Raises as
        `Registry.open` does.
        """
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(self._take_over(key, manifest, cause), name=f"open-{key}")
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key))
        return await asyncio.shield(task)

    async def wait(self, key: UUID) -> None:
        """Return after the takeover of a session has ended, if there is one."""
        if key in self._running:
            await asyncio.wait([self._running[key]])

    async def stop(self) -> None:
        """Cancel the takeovers that do not end soon."""
        if running := list(self._running.values()):
            await asyncio.wait(running, timeout=_STOP_SECONDS)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _take_over(
        self, key: UUID, manifest: Manifest | None, cause: TakeoverCause
    ) -> Session:
        log_context.session_id.set(str(key))
        with self._tracing.span("take over session", str(key)):
            session = await self._restored(key, manifest)
        self._metrics.takeovers.add(cause)
        logger.info("%s: session taken over: chunk_count=%d", key, session.counts().chunk_count)
        self._events.taken_over(str(key))
        # The process before may have died before it could announce them.
        for code in {warning.code for warning in session.warnings.first}:
            self._events.warned(str(key), code)
        self._entered(session)
        return session

    async def _restored(self, key: UUID, manifest: Manifest | None) -> Session:
        manifest = manifest or await read_manifest(self._storage, key)
        if manifest.status != "active":
            raise SessionCompletedError(str(key))
        if manifest.format not in INPUT_KINDS:
            raise BadObjectError(f"{key}: the manifest has the unknown format {manifest.format!r}")
        try:
            recording = await self._storage.open(manifest)
        except RecordingNotFoundError as error:
            if (await read_manifest(self._storage, key)).status == "active":
                raise StorageUnavailableError(
                    f"{key}: the session is active, but an object of its recording is missing"
                ) from error
            raise SessionCompletedError(str(key)) from error
        session = self._new_session(recording)
        try:
            await session.restore()
        except BaseException:
            await session.release()
            raise
        return session
