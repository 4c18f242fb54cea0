"""Writes events into the outbox before they happen."""

import asyncio
import contextlib
import functools
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import uuid_utils.compat

from api.clock import Clock
from api.events.entry import Entry, EventType, encode, new_entry
from api.session.write_retries import WRITE_BACKOFF
from api.wire.messages import SessionInfo
from storage.errors import StorageError
from storage.outbox import FIRST_SLOT, Outbox, Place
from storage.retry import Backoff, retry

logger = logging.getLogger(__name__)

_MAX_UNWRITTEN = 1000
_MAX_CONCURRENT_WRITES = 8
_UNWRITTEN_BACKOFF = Backoff(first_seconds=1.0, max_seconds=30.0)
# Until an event is looked at whose cause has failed: the next attempt may follow at once.
_FAILED_SECONDS = 5.0


class Queue(Protocol):
    """Gets the entries that are written, to deliver them; see `api.events.queue`."""

    def hold(self, place: Place) -> None: ...

    def add(self, place: Place, delay_seconds: float = 0.0) -> None: ...


class OutboxWriter:
    """See `api.session.events.SessionEvents`.

    What happens in storage (`creating`, `completing`, `deleting`) has an entry before it happens.
    A warning or a takeover is written by a task, because a store that is away must not keep audio
    from being recorded: a process that takes the session over announces both again.
    """

    def __init__(
        self,
        outbox: Outbox,
        clock: Clock,
        queue: Queue,
        *,
        is_wanted: Callable[[EventType], bool],
        backoff: Backoff = WRITE_BACKOFF,
        max_unwritten: int = _MAX_UNWRITTEN,
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._queue = queue
        self._is_wanted = is_wanted
        self._backoff = backoff
        self._unwritten: deque[Entry] = deque()
        self._max_unwritten = max_unwritten
        self._has_unwritten = asyncio.Event()
        self._writing = asyncio.Semaphore(_MAX_CONCURRENT_WRITES)

    def creating(self, session_id: str) -> AbstractAsyncContextManager[None]:
        return self._before("session.created", {session_id: None})

    def completing(self, session_id: str) -> AbstractAsyncContextManager[None]:
        return self._before("session.completed", {session_id: None})

    def deleting(
        self, sessions: Mapping[str, SessionInfo | None]
    ) -> AbstractAsyncContextManager[None]:
        return self._before("session.deleted", sessions)

    def warned(self, session_id: str, code: str) -> None:
        self._note("session.warning", session_id, code)

    def taken_over(self, session_id: str) -> None:
        self._note("session.taken_over", session_id, uuid_utils.compat.uuid7().hex)

    async def run(self) -> None:
        """Write what was noted, with retries, until cancelled."""
        while True:
            await self._has_unwritten.wait()
            self._has_unwritten.clear()
            while self._unwritten:
                entry = self._unwritten[0]
                await retry(
                    functools.partial(self._put, entry),
                    on=StorageError,
                    delays=_UNWRITTEN_BACKOFF.delays(),
                    failed=_log_failure,
                )
                self._queue.add(await self._place(entry))
                if self._unwritten and self._unwritten[0] is entry:
                    self._unwritten.popleft()

    @contextlib.asynccontextmanager
    async def _before(
        self, event: EventType, sessions: Mapping[str, SessionInfo | None]
    ) -> AsyncIterator[None]:
        if not self._is_wanted(event) or not sessions:
            yield
            return
        now = self._clock.now()
        entries = [new_entry(event, key, now, session=info) for key, info in sessions.items()]
        delay_seconds = _FAILED_SECONDS
        with self._held([await self._place(entry) for entry in entries], lambda: delay_seconds):
            await asyncio.gather(*map(self._put_persistently, entries))
            yield
            delay_seconds = 0.0

    @contextlib.contextmanager
    def _held(self, places: list[Place], delay_seconds: Callable[[], float]) -> Iterator[None]:
        """Keep entries from being looked at while their cause is under way."""
        for place in places:
            self._queue.hold(place)
        try:
            yield
        finally:
            for place in places:
                self._queue.add(place, delay_seconds())

    async def _put_persistently(self, entry: Entry) -> None:
        async with self._writing:
            await retry(
                functools.partial(self._put, entry),
                on=StorageError,
                delays=self._backoff.delays(),
                failed=_log_failure,
            )

    async def _put(self, entry: Entry) -> None:
        await self._outbox.put(await self._place(entry), encode(entry))

    async def _place(self, entry: Entry) -> Place:
        return Place(await self._outbox.claim(), FIRST_SLOT, entry.name)

    def _note(self, event: EventType, session_id: str, detail: str) -> None:
        if not self._is_wanted(event):
            return
        if len(self._unwritten) >= self._max_unwritten:
            lost = self._unwritten.popleft()
            logger.error("Event lost, too many wait for storage: event=%s", lost.name)
        self._unwritten.append(new_entry(event, session_id, self._clock.now(), detail=detail))
        self._has_unwritten.set()


def _log_failure(error: Exception, delay_seconds: float) -> None:
    logger.warning(
        "Failed to write an event, retrying: seconds=%.2f error=%s", delay_seconds, error
    )
