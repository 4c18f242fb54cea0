"""Announces sessions whose audio is not persisted in time: from memory, in one attempt."""

import asyncio

import uuid_utils.compat

from api.clock import Clock
from api.events.bodies import encode
from api.events.delivery import Delivery
from api.events.entry import new_entry
from api.session.registry import Registry
from api.session.session import Session

_CHECK_SECONDS = 5.0
_DELAY_SECONDS = 60.0


class PersistenceDelays:
    """Sends `session.persistence_delayed` once for each time that a session falls behind.

    If storage is away, nothing can be written to the outbox, so this event is not in it.
    """

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        delivery: Delivery,
        *,
        delay_seconds: float = _DELAY_SECONDS,
        check_seconds: float = _CHECK_SECONDS,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._delivery = delivery
        self._delay_seconds = delay_seconds
        self._check_seconds = check_seconds
        self._delayed: set[str] = set()

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(self._check_seconds)

    async def check(self) -> None:
        """Send the event for each session that was in time at the last check."""
        delayed = {
            str(session.session_id): session
            for session in self._registry.live
            if session.recording.unpersisted.seconds > self._delay_seconds
        }
        new = [session for key, session in delayed.items() if key not in self._delayed]
        self._delayed = set(delayed)
        for session in new:
            await self._announce(session)

    async def _announce(self, session: Session) -> None:
        now = self._clock.now()
        detail = uuid_utils.compat.uuid7().hex
        entry = new_entry(
            "session.persistence_delayed", str(session.session_id), now, detail=detail
        )
        await self._delivery.send_once(entry, encode(entry, session.info()))
