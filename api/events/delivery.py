"""Delivers the entries of the outbox, as a background task.

An entry is removed when every receiver has it, or when it cannot happen any more. A receiver that
fails gets an entry of its own for its next attempts, so that no receiver waits for another; after
the last attempt it moves to ``dead``.
"""

import asyncio
import logging
import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence

import msgspec

from api.clock import Clock
from api.events.bodies import Bodies, NeverError, NotYetError
from api.events.dead import remove_old_dead
from api.events.entry import Entry, EventType, NewerEntryError, decode, encode
from api.events.pace import Pace
from api.events.queue import OutboxQueue
from api.events.receiver import Receiver
from api.events.schedule import RETRY_SECONDS
from api.events.sender import Answer, Result
from storage.errors import BadObjectError, RecordingNotFoundError, StorageError
from storage.outbox import DEAD, Outbox, Place, slot_of

logger = logging.getLogger(__name__)

_JITTER = 0.1  # of a delay, at most, is added to it
_MAX_RETRY_AFTER_SECONDS = 86_400.0
_NEWER_SECONDS = 600.0


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
        queue: OutboxQueue,
        bodies: Bodies,
        receivers: Sequence[Receiver],
        clock: Clock,
        *,
        settings: DeliverySettings | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.attempts: Counter[tuple[EventType, Result]] = Counter()
        self._outbox = outbox
        self._queue = queue
        self._bodies = bodies
        self._receivers = receivers
        self._clock = clock
        self._settings = settings or DeliverySettings()
        self._uniform = uniform
        self._tasks: set[asyncio.Task[None]] = set()
        # Each task that waits for an answer has a turn; the others read and write.
        max_tasks = self._settings.turns + sum(each.turns for each in receivers)
        self._free_tasks = asyncio.Semaphore(max_tasks)
        self._pace = Pace(self._settings.max_per_second, clock.monotonic)

    def is_wanted(self, event: EventType) -> bool:
        """Return whether a receiver gets events of this type."""
        return any(event in each.endpoint.events for each in self._receivers)

    def failing(self) -> list[str]:
        """Return the hosts of the receivers to which the last attempts have failed."""
        return sorted({each.endpoint.host for each in self._receivers if each.is_failing})

    async def send_once(self, entry: Entry, body: bytes) -> None:
        """Send an event that is not in the outbox: one attempt for each receiver."""
        await asyncio.gather(*(self._attempt(each, entry, body) for each in self._pending(entry)))

    async def run(self) -> None:
        """Deliver until cancelled."""
        page_size = self._settings.page_size
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deliver_due())
            group.create_task(self._queue.adopt())
            group.create_task(remove_old_dead(self._outbox, self._clock, page_size=page_size))

    async def _deliver_due(self) -> None:
        try:
            while True:
                await self._free_tasks.acquire()
                while seconds := self._pace.wait_seconds:  # noqa: ASYNC110 - time has no event
                    await asyncio.sleep(seconds)
                place = await self._queue.next()
                self._pace.count()
                self._start(place)
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
        self._free_tasks.release()

    async def _look_at(self, place: Place) -> None:
        try:
            await self._process(place)
        except StorageError as error:
            logger.warning("Failed to read or write an event: event=%s error=%s", place.name, error)
            self._queue.add(place, self._settings.storage_seconds)
        except Exception:
            logger.exception("Failed to deliver an event: event=%s", place.name)
            self._queue.add(place, self._settings.storage_seconds)
        else:
            self._queue.forget(place)

    async def _process(self, place: Place) -> None:
        try:
            data = await self._outbox.get(place)
        except RecordingNotFoundError:
            return  # another process, or an operator, has moved or removed it
        try:
            entry = decode(place.name, data)
        except NewerEntryError:  # a process of the later release delivers it
            moved = await self._put(place, data, _NEWER_SECONDS)
        except BadObjectError as error:
            moved = await self._give_up(place, data, str(error))
        else:
            moved = await self._deliver(place, entry)
        if place not in moved:
            await self._outbox.remove(place)

    async def _deliver(self, place: Place, entry: Entry) -> set[Place]:
        """Send the event to the receivers that do not have it; return where it is then."""
        receivers = self._pending(entry)
        try:
            # Nothing is read for receivers that get nothing now.
            body = await self._bodies.of(entry) if any(each.is_ready for each in receivers) else b""
        except NotYetError as reason:
            return await self._check_later(place, entry, str(reason))
        except NeverError as reason:
            logger.info("Event dropped: event=%s reason=%s", place.name, reason)
            return set()
        except BadObjectError as error:  # of the session: others are not to wait behind it
            return await self._retry(place, entry, Answer("unreachable", reason=str(error)))
        return await _all_of([self._deliver_to(each, place, entry, body) for each in receivers])

    async def _deliver_to(
        self, receiver: Receiver, place: Place, entry: Entry, body: bytes
    ) -> set[Place]:
        """Send the event to one receiver; return where it is then for this one."""
        answer = await self._attempt(receiver, entry, body)
        if answer.result == "delivered":
            return set()
        others = [each.endpoint.key for each in self._pending(entry) if each is not receiver]
        if others:
            entry = entry.only_for(receiver.endpoint.key, receiver.endpoint.host, others)
            place = place.named(entry.name)
        match answer.result:
            case "gone":
                return await self._give_up(place, encode(entry), "the receiver answered 410")
            case "busy":  # it is not to wait as long as one that is away
                return await self._look_later(place, entry)
            case _:
                return await self._retry(place, entry, answer)

    async def _attempt(self, receiver: Receiver, entry: Entry, body: bytes) -> Answer:
        answer = await receiver.deliver(entry, body)
        if answer.result != "busy":
            self.attempts[entry.type, answer.result] += 1
        return answer

    async def _retry(self, place: Place, entry: Entry, answer: Answer) -> set[Place]:
        delays = self._settings.retry_seconds
        if entry.attempts >= len(delays):
            reason = answer.reason or "the receiver does not answer"
            return await self._give_up(place, encode(entry), reason)
        delay_seconds = max(
            delays[entry.attempts] * (1 + self._uniform(0, _JITTER)),
            min(answer.retry_after_seconds, _MAX_RETRY_AFTER_SECONDS),
        )
        entry = msgspec.structs.replace(entry, attempts=entry.attempts + 1)
        return await self._move(place, entry, delay_seconds)

    async def _check_later(self, place: Place, entry: Entry, reason: str) -> set[Place]:
        """Look again later, unless what the entry tells of does not happen any more."""
        age_seconds = (self._clock.now() - entry.occurred_at).total_seconds()
        if age_seconds > self._settings.patience_seconds(entry.type):
            logger.info("Event dropped: event=%s reason=%s", place.name, reason)
            return set()
        return await self._look_later(place, entry)

    async def _look_later(self, place: Place, entry: Entry) -> set[Place]:
        """Look again later, without counting an attempt."""
        delays = self._settings.check_seconds
        delay_seconds = delays[min(entry.checks, len(delays) - 1)]
        entry = msgspec.structs.replace(entry, checks=entry.checks + 1)
        return await self._move(place, entry, delay_seconds)

    async def _move(self, place: Place, entry: Entry, delay_seconds: float) -> set[Place]:
        return await self._put(place, encode(entry), delay_seconds)

    async def _put(self, place: Place, data: bytes, delay_seconds: float) -> set[Place]:
        moved = place.moved(slot_of(self._now() + delay_seconds))
        self._queue.hold(moved)
        try:
            await self._outbox.put(moved, data)
        except BaseException:
            self._queue.forget(moved)  # it may be written all the same: a page has it then
            raise
        self._queue.add(moved, delay_seconds)
        return {moved}

    async def _give_up(self, place: Place, data: bytes, reason: str) -> set[Place]:
        logger.error("Event given up: event=%s reason=%s", place.name, reason)
        dead = place.moved(slot_of(self._now()), DEAD)
        await self._outbox.put(dead, data)
        return {dead}

    def _pending(self, entry: Entry) -> list[Receiver]:
        return [each for each in self._receivers if _gets(each, entry)]

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _gets(receiver: Receiver, entry: Entry) -> bool:
    """Return whether the receiver is to get the event from this entry."""
    endpoint = receiver.endpoint
    return entry.type in endpoint.events and endpoint.key not in entry.not_for


async def _all_of(deliveries: Iterable[Awaitable[set[Place]]]) -> set[Place]:
    """Return all places when all deliveries have ended, or raise an error of one."""
    results = await asyncio.gather(*deliveries, return_exceptions=True)
    places: set[Place] = set()
    for result in results:
        if isinstance(result, BaseException):
            raise result
        places |= result
    return places
