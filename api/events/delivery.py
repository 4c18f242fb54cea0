"""Delivers the entries of the outbox, as a background task.

An entry is removed when every receiver has it, or when it cannot happen any more. Else it moves to
the slot of its next attempt; after the last one, to ``dead``.
"""

import asyncio
import contextlib
import logging
import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta

import msgspec

from api.clock import Clock
from api.events.bodies import Bodies, NeverError, NotYetError
from api.events.entry import Entry, EventType, NewerEntryError, decode, encode
from api.events.pace import Pace
from api.events.receiver import Receiver
from api.events.schedule import RETRY_SECONDS, Schedule
from api.events.sender import Answer, Result
from storage.errors import BadObjectError, RecordingNotFoundError, StorageError
from storage.outbox import DEAD, Outbox, Place, slot_of

logger = logging.getLogger(__name__)

_JITTER = 0.1  # of a delay, at most, is added to it
_MAX_RETRY_AFTER_SECONDS = 86_400.0
_NEWER_SECONDS = 600.0
DEAD_DAYS = 30
_DEAD_CHECK_SECONDS = 3600.0


class DeliverySettings(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of the delivery."""

    timeout_seconds: float = 15.0  # of one attempt
    pause_seconds: float = 30.0  # after several failures of a receiver in a row
    turns: int = 4  # of each receiver: events that are sent to it at the same time
    turn_seconds: float = 1.0  # until a receiver without a free turn counts as slow
    max_per_second: float = 50.0  # so that a backlog leaves time for recording
    page_size: int = 100
    adopt_seconds: float = 10.0  # between looks for entries of nodes that do not live
    storage_seconds: float = 30.0  # until an entry is tried again that storage has failed for
    retry_seconds: Sequence[float] = RETRY_SECONDS
    # Between looks at an event that storage does not show yet, or whose receiver has no turn.
    check_seconds: Sequence[float] = (5, 10, 30, 60, 300)
    # After this time without it, what an entry tells of does not happen any more: the process has
    # died or the deletion has failed. A deletion that is repeated writes the entry again.
    create_seconds: float = 3600.0
    delete_seconds: float = 259_200.0

    def patience_seconds(self, event: EventType) -> float:
        """Return for how long an event may not be shown by storage before it is dropped."""
        if event == "session.created":
            return self.create_seconds
        return self.delete_seconds if event == "session.deleted" else math.inf


class Delivery:
    """Looks at entries when they are due, and sends them to their receivers."""

    def __init__(
        self,
        outbox: Outbox,
        bodies: Bodies,
        receivers: Sequence[Receiver],
        clock: Clock,
        *,
        settings: DeliverySettings | None = None,
        schedule: Schedule | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.attempts: Counter[tuple[EventType, Result]] = Counter()
        self._outbox = outbox
        self._bodies = bodies
        self._receivers = receivers
        self._clock = clock
        self._settings = settings or DeliverySettings()
        self._schedule = schedule or Schedule()
        self._uniform = uniform
        self._nodes: list[str] = []  # of which this process delivers the entries
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        # Each task that waits for an answer has a turn; the others read and write.
        self._max_tasks = self._settings.turns + sum(each.turns for each in receivers)
        self._pace = Pace(self._settings.max_per_second, clock.monotonic)

    def is_wanted(self, event: EventType) -> bool:
        """Return whether a receiver gets events of this type."""
        return any(
            event in each.endpoint.events and not each.is_disabled for each in self._receivers
        )

    def failing(self) -> list[str]:
        """Return the hosts of the receivers to which the last attempts have failed."""
        return sorted({each.endpoint.host for each in self._receivers if each.is_failing})

    def hold(self, place: Place) -> None:
        """Look at the entry only after `add`: what it tells of is under way."""
        self._schedule.hold(place)

    def add(self, place: Place, delay_seconds: float = 0.0) -> None:
        """Deliver an entry that was written, after a time."""
        self._schedule.add(place, self._now() + delay_seconds)
        self._changed.set()

    async def send_once(self, entry: Entry, body: bytes) -> None:
        """Send an event that is not in the outbox: one attempt for each receiver."""
        await asyncio.gather(*(self._attempt(each, entry, body) for each in self._pending(entry)))

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deliver_due())
            group.create_task(self._adopt())
            group.create_task(self._remove_old_dead())

    async def _deliver_due(self) -> None:
        try:
            while True:
                self._changed.clear()
                is_stuck = self._schedule.needs_page(self._now()) and not await self._load()
                while len(self._tasks) < self._max_tasks:
                    if self._pace.wait_seconds or not (place := self._schedule.pop(self._now())):
                        break
                    self._pace.count()
                    self._start(place)
                await self._wait(is_stuck=is_stuck)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, place: Place) -> None:
        task = asyncio.create_task(self._look_at(place), name=f"webhook-{place.name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._changed.set()

    async def _wait(self, *, is_stuck: bool) -> None:
        """Return when an entry is due, or something has changed."""
        seconds = max(self._pace.wait_seconds, self._schedule.next_time - self._now())
        if is_stuck:  # what a page has is in work, or storage does not answer
            seconds = 1.0
        elif len(self._tasks) >= self._max_tasks or seconds > 3600:
            seconds = 3600.0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    async def _load(self) -> bool:
        """Load the earliest entries; return whether there are any new ones, or no more at all."""
        size = self._settings.page_size
        try:
            own = await self._outbox.claim()
            pages = [await self._outbox.page(node, size) for node in {own, *self._nodes}]
        except StorageError as error:
            logger.warning("Failed to list events to deliver, retrying: error=%s", error)
            return False
        places = sorted((place for page in pages for place in page), key=lambda each: each.slot)
        is_complete = all(len(page) < size for page in pages)
        # Of a page that is not the last one, only the slots up to its last are known.
        end = min((page[-1].slot for page in pages if len(page) >= size), default=None)
        places = [each for each in places if end is None or each.slot <= end]
        return bool(self._schedule.load(places, is_complete=is_complete)) or is_complete

    async def _adopt(self) -> None:
        while True:
            try:
                self._nodes = await self._outbox.abandoned()
            except StorageError as error:
                logger.warning(
                    "Failed to look for events of other nodes, retrying: error=%s", error
                )
            if self._nodes:
                self._schedule.expect_others()
                self._changed.set()
            await asyncio.sleep(self._settings.adopt_seconds)

    async def _remove_old_dead(self) -> None:
        while True:
            first = slot_of((self._clock.now() - timedelta(days=DEAD_DAYS)).timestamp())
            with contextlib.suppress(StorageError):
                while old := [each for each in await self._dead_page() if each.slot < first]:
                    for place in old:
                        await self._outbox.remove(place)
            await asyncio.sleep(_DEAD_CHECK_SECONDS)

    async def _dead_page(self) -> list[Place]:
        return await self._outbox.page(DEAD, self._settings.page_size)

    async def _look_at(self, place: Place) -> None:
        try:
            await self._process(place)
        except StorageError as error:
            logger.warning("Failed to read or write an event: event=%s error=%s", place.name, error)
            self.add(place, self._settings.storage_seconds)
        except Exception:
            logger.exception("Failed to deliver an event: event=%s", place.name)
            self.add(place, self._settings.storage_seconds)
        else:
            self._schedule.forget(place)

    async def _process(self, place: Place) -> None:
        try:
            data = await self._outbox.get(place)
        except RecordingNotFoundError:
            return  # another process, or an operator, has moved or removed it
        try:
            entry = decode(place.name, data)
        except NewerEntryError:  # a process of the later release delivers it
            await self._move(place, data, _NEWER_SECONDS)
            return
        except BadObjectError as error:
            await self._give_up(place, data, str(error))
            return
        try:
            await self._deliver(place, entry)
        except NotYetError as reason:
            await self._check_later(place, entry, str(reason))
        except BadObjectError as error:  # of the session: others are not to wait behind it
            await self._retry(place, entry, [Answer("unreachable", reason=str(error))])
        except NeverError as reason:
            logger.info("Event dropped: event=%s reason=%s", place.name, reason)
            await self._outbox.remove(place)

    async def _deliver(self, place: Place, entry: Entry) -> None:
        receivers = self._pending(entry)
        if not receivers:
            if any(each.is_disabled for each in self._receivers if _gets(each, entry)):
                await self._give_up(place, encode(entry), "the receiver answered 410")
            else:
                await self._outbox.remove(place)
            return
        # Nothing is read for receivers that get nothing now.
        is_paused = all(each.pause_seconds or each.is_busy for each in receivers)
        body = b"" if is_paused else await self._bodies.of(entry)
        answers = await asyncio.gather(*(self._attempt(each, entry, body) for each in receivers))
        delivered = {
            receiver.endpoint.key
            for receiver, answer in zip(receivers, answers, strict=True)
            if answer.result == "delivered"
        }
        entry = msgspec.structs.replace(entry, delivered=(*entry.delivered, *sorted(delivered)))
        if len(delivered) == len(receivers):
            await self._outbox.remove(place)
        elif any(answer.result == "busy" for answer in answers):
            # It is not to wait as long as one that is away. Attempts on others do not count then.
            await self._look_later(place, entry)
        else:
            await self._retry(place, entry, answers)

    async def _attempt(self, receiver: Receiver, entry: Entry, body: bytes) -> Answer:
        answer = await receiver.deliver(entry, body)
        if answer.result != "busy":
            self.attempts[entry.type, answer.result] += 1
        return answer

    async def _retry(self, place: Place, entry: Entry, answers: Sequence[Answer]) -> None:
        delays = self._settings.retry_seconds
        if entry.attempts >= len(delays):
            reasons = "; ".join(answer.reason for answer in answers if answer.reason)
            await self._give_up(place, encode(entry), reasons or "the receiver does not answer")
            return
        # What one receiver failed to take does not wait for the pause of another.
        failed = [each for each in answers if each.result not in {"delivered", "paused"}]
        asked_seconds = max(answer.retry_after_seconds for answer in failed or answers)
        delay_seconds = delays[entry.attempts] * (1 + self._uniform(0, _JITTER))
        delay_seconds = max(delay_seconds, min(asked_seconds, _MAX_RETRY_AFTER_SECONDS))
        entry = msgspec.structs.replace(entry, attempts=entry.attempts + 1)
        await self._move(place, encode(entry), delay_seconds)

    async def _check_later(self, place: Place, entry: Entry, reason: str) -> None:
        """Look again later, unless what the entry tells of does not happen any more."""
        age_seconds = (self._clock.now() - entry.occurred_at).total_seconds()
        if age_seconds > self._settings.patience_seconds(entry.type):
            logger.info("Event dropped: event=%s reason=%s", place.name, reason)
            await self._outbox.remove(place)
            return
        await self._look_later(place, entry)

    async def _look_later(self, place: Place, entry: Entry) -> None:
        """Look again later, without counting an attempt."""
        delays = self._settings.check_seconds
        delay_seconds = delays[min(entry.checks, len(delays) - 1)]
        entry = msgspec.structs.replace(entry, checks=entry.checks + 1)
        await self._move(place, encode(entry), delay_seconds)

    async def _move(self, place: Place, data: bytes, delay_seconds: float) -> None:
        due = self._now() + delay_seconds
        moved = place.moved(slot_of(due))
        self._schedule.hold(moved)
        await self._outbox.put(moved, data)
        if moved != place:
            await self._outbox.remove(place)
        self.add(moved, delay_seconds)

    async def _give_up(self, place: Place, data: bytes, reason: str) -> None:
        logger.error("Event given up: event=%s reason=%s", place.name, reason)
        await self._outbox.put(place.moved(slot_of(self._now()), DEAD), data)
        await self._outbox.remove(place)

    def _pending(self, entry: Entry) -> list[Receiver]:
        return [each for each in self._receivers if _gets(each, entry) and not each.is_disabled]

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _gets(receiver: Receiver, entry: Entry) -> bool:
    """Return whether the receiver is to get the event, and does not have it yet."""
    endpoint = receiver.endpoint
    return entry.type in endpoint.events and endpoint.key not in entry.delivered
