"""Ending what has reached a time limit: connections, streams that wait, sessions.

One task looks at every session once a second. A timer per connection would have to be
moved at every chunk.
"""

import asyncio
import logging

from api.session.core import SessionState
from api.session.registry import Registry
from api.session.session import Session

logger = logging.getLogger(__name__)

_SWEEP_SECONDS = 1.0
_COMPLETED_AT_ONCE = 4  # sessions that record must not wait for many that are completed


class Expiry:
    """Applies the time limits of `api.session.core` to the registry's sessions."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._completing = asyncio.Semaphore(_COMPLETED_AT_ONCE)
        self._sweeping: dict[Session, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            await self.sweep()

    async def sweep(self) -> None:
        """End what has reached its limit by now."""
        for session in self._registry.live:
            if session.state is SessionState.ACTIVE and session not in self._sweeping:
                self._sweeping[session] = asyncio.create_task(self._sweep_session(session))
        # A session may take long to end. The next sweep leaves it alone and looks at the others.
        if self._sweeping:
            await asyncio.wait(self._sweeping.values(), timeout=_SWEEP_SECONDS)

    async def _sweep_session(self, session: Session) -> None:
        try:
            if session.is_over():
                async with self._completing:
                    logger.info("%s completed: its time is over", session.session_id)
                    await session.close()
            else:
                await session.end_overdue()
        except Exception:
            # A session that cannot be ended must not keep the others from their limits.
            logger.exception("%s could not be ended in time", session.session_id)
        finally:
            del self._sweeping[session]
