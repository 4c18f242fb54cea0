"""What time ends: silent connections, streams that nobody resumes, forgotten and endless sessions.

One task looks at everything once a second. A timer per connection would have to be
moved at every chunk.
"""

import asyncio
import logging

from api.clock import Clock
from api.session.registry import Registry
from api.session.session import Session
from api.wire.errors import ConnectionIdleError

logger = logging.getLogger(__name__)

_SWEEP_SECONDS = 1.0
_ENDED_AT_ONCE = 4  # those that go on recording must not wait for a crowd that ends


class Expiry:
    """Applies the time limits of the settings to the registry's sessions."""

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        *,
        connection_timeout_seconds: float,
        session_idle_timeout_seconds: float,
        max_session_duration_seconds: float,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._connection_timeout_seconds = connection_timeout_seconds
        self._session_idle_timeout_seconds = session_idle_timeout_seconds
        self._max_session_duration_seconds = max_session_duration_seconds
        self._few_at_once = asyncio.Semaphore(_ENDED_AT_ONCE)
        self._sweeping: dict[Session, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            await self.sweep()

    async def sweep(self) -> None:
        """End what has run out by now."""
        for session in self._registry.live:
            if not session.is_ending and session not in self._sweeping:
                self._sweeping[session] = asyncio.create_task(self._sweep_session(session))
        # Some may take long to end. The next sweep leaves them alone and sees to the others.
        if self._sweeping:
            await asyncio.wait(self._sweeping.values(), timeout=_SWEEP_SECONDS)

    async def _sweep_session(self, session: Session) -> None:
        try:
            await self._end_what_is_over(session)
        except Exception:
            # One session's trouble must not keep the others from their time.
            logger.exception("%s could not be ended in time", session.session_id)
        finally:
            del self._sweeping[session]

    async def _end_what_is_over(self, session: Session) -> None:
        if self._is_over(session):
            async with self._few_at_once:
                logger.info("%s completed: its time is over", session.session_id)
                await session.close()
            return
        now = self._clock.monotonic()
        for connection in session.connections:
            if now - connection.last_received > self._connection_timeout_seconds:
                await connection.end(ConnectionIdleError(self._connection_timeout_seconds))
        if now - session.waiting_since > self._connection_timeout_seconds:
            await session.end_detached()

    def _is_over(self, session: Session) -> bool:
        age_seconds = (self._clock.now() - session.recording.manifest.created_at).total_seconds()
        if max(age_seconds, session.duration_seconds) > self._max_session_duration_seconds:
            return True
        idle_seconds = self._clock.monotonic() - session.idle_since
        return not session.connections and idle_seconds > self._patience_seconds(session)

    def _patience_seconds(self, session: Session) -> float:
        """A session that has nothing yet takes somebody else's place, and costs nobody anything."""
        if session.chunk_count:
            return self._session_idle_timeout_seconds
        return min(self._session_idle_timeout_seconds, self._connection_timeout_seconds)
