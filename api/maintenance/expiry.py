"""Ends connections, waiting streams and sessions that have reached a time limit.

One task checks every live session once a second. A timer per connection would have to be reset at
every chunk.
"""

import asyncio
import logging

from api.observe import log_context
from api.session.core import SessionState
from api.session.found import Live
from api.session.registry import Registry
from api.session.session import Session

logger = logging.getLogger(__name__)

_SWEEP_SECONDS = 1.0

# So that many completions do not slow down sessions that record. One that takes long, because its
# decoder hangs or the store is slow, does not hold up the others.
_COMPLETED_AT_ONCE = 4
_TURN_SECONDS = 2.0


class Expiry:
    """Applies the time limits of `api.session.core` to the live sessions."""

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
        """End the connections, streams and sessions that have reached a limit."""
        for session in self._registry.live:
            if session.state is SessionState.ACTIVE and session not in self._sweeping:
                self._sweeping[session] = asyncio.create_task(self._sweep_session(session))
        # A session may take long to end. The next sweep skips it and checks the others.
        if self._sweeping:
            await asyncio.wait(self._sweeping.values(), timeout=_SWEEP_SECONDS)

    async def _complete(self, session: Session) -> None:
        async with self._completing:
            logger.info("%s: session reached a time limit", session.session_id)
            closing = asyncio.create_task(self._registry.close(Live(session), "expired"))
            await asyncio.wait([closing], timeout=_TURN_SECONDS)
        await closing

    async def _sweep_session(self, session: Session) -> None:
        log_context.session_id.set(str(session.session_id))
        try:
            if session.is_over():
                await self._complete(session)
            else:
                await session.end_overdue()
        except Exception:
            # The limits must still be applied to the other sessions.
            logger.exception("%s: failed to apply the time limits", session.session_id)
        finally:
            del self._sweeping[session]
