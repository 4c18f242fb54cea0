"""Entries of the outbox reach their receivers, and leave the outbox."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.clock import Clock, SystemClock
from api.events import entry as entries
from api.events.bodies import Bodies
from api.events.delivery import Delivery, DeliverySettings
from api.events.endpoint import read_endpoints
from api.events.entry import Entry, EventType, new_entry
from api.events.queue import OutboxQueue
from api.events.receiver import Receiver
from api.events.schedule import Schedule
from api.events.sender import HttpSender
from api.observe.tracing import Tracing
from storage.base import Recording
from storage.local import LocalStorage
from storage.manifest import Manifest
from storage.outbox import DEAD, FIRST_SLOT, RETRIED, Place, slot_of
from tests.conftest import ManualClock
from tests.eventually import eventually
from tests.storage.conftest import new_manifest
from tests.webhook_receiver import SECRET, WebhookReceiver, webhook_receiver

NOW = datetime(2026, 1, 2, tzinfo=UTC)
QUICK = DeliverySettings(
    adopt_seconds=0.05,
    turn_seconds=0.05,
    storage_seconds=0.02,
    retry_seconds=(0.01, 0.02, 0.03),
    check_seconds=(0.02,),
)
PERSISTENT = msgspec.structs.replace(QUICK, retry_seconds=(0.01,) * 1000)


@dataclasses.dataclass
class Rig:
    """A volume, whose outbox a delivery can be started on."""

    storage: LocalStorage
    sender: HttpSender

    def delivery(
        self,
        *receivers: WebhookReceiver,
        settings: DeliverySettings = QUICK,
        schedule: Schedule | None = None,
        clock: Clock | None = None,
        timeouts_seconds: Sequence[float] = (60, 60),
        pause_seconds: float = 0.0,
    ) -> Delivery:
        async def no_link(manifest: Manifest) -> None:
            del manifest

        urls = ",".join(each.url for each in receivers)
        clock = clock or SystemClock()
        endpoints = read_endpoints(urls, SECRET, "")
        queue = OutboxQueue(
            self.storage.outbox,
            clock,
            page_size=settings.page_size,
            adopt_seconds=settings.adopt_seconds,
            schedule=schedule,
        )
        return Delivery(
            self.storage.outbox,
            queue,
            Bodies(self.storage, clock, no_link),
            [
                Receiver(
                    endpoint,
                    self.sender,
                    clock,
                    Tracing(),
                    timeout_seconds=timeout_seconds,
                    pause_seconds=pause_seconds,
                    turns=settings.turns,
                    turn_seconds=settings.turn_seconds,
                )
                for endpoint, timeout_seconds in zip(endpoints, timeouts_seconds, strict=False)
            ],
            clock,
            settings=settings,
        )

    async def put(self, event: EventType, manifest: Manifest, **more: Any) -> Entry:
        entry = new_entry(event, manifest.session_id, datetime.now(UTC))
        entry = msgspec.structs.replace(entry, **more)
        node = await self.storage.outbox.claim()
        await self.storage.outbox.put(Place(node, FIRST_SLOT, entry.name), entries.encode(entry))
        return entry

    async def created(self, count: int = 1) -> list[Recording]:
        return [await self.storage.create(new_manifest()) for _ in range(count)]

    async def put_created(self) -> Entry:
        """Create a session, and put the event that tells of it."""
        (recording,) = await self.created()
        return await self.put("session.created", recording.manifest)

    async def left(self) -> list[Place]:
        outbox = self.storage.outbox
        return [place for node in await outbox.nodes() for place in await outbox.page(node, 10_000)]

    async def empty(self) -> None:
        await eventually(self.left, lambda found: not found, awaiting="an empty outbox")

    async def dead(self, count: int = 1) -> list[Place]:
        def are_dead(found: list[Place]) -> bool:
            return len(found) == count and {each.node for each in found} == {DEAD}

        return await eventually(self.left, are_dead, awaiting="dead entries")


class FrozenClock(ManualClock):
    """A clock whose monotonic time the test sets."""

    now = staticmethod(SystemClock().now)


@contextlib.asynccontextmanager
async def running(delivery: Delivery) -> AsyncIterator[Delivery]:
    task = asyncio.create_task(delivery.run())
    try:
        yield delivery
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def rig(tmp_path: Path, sender: HttpSender) -> AsyncIterator[Rig]:
    storage = LocalStorage(tmp_path, sync_interval_seconds=3600)
    await storage.start()
    yield Rig(storage, sender)
    await storage.stop()


async def test_what_is_delivered_leaves_the_outbox(rig: Rig, receiver: WebhookReceiver) -> None:
    entry = await rig.put_created()
    async with running(rig.delivery(receiver)) as delivery:
        await receiver.wait_for(entry.name)
        await rig.empty()
    assert [each.id for each in receiver.requests] == [entry.name]
    assert delivery.attempts == {("session.created", "delivered"): 1}


async def test_an_entry_that_is_added_is_delivered_at_once(
    rig: Rig, receiver: WebhookReceiver
) -> None:
    async with running(rig.delivery(receiver)) as delivery:
        await eventually(lambda: delivery._queue.is_idle, awaiting="an idle delivery")
        (recording,) = await rig.created()
        node = await rig.storage.outbox.claim()
        entry = new_entry("session.created", recording.manifest.session_id, NOW)
        place = Place(node, FIRST_SLOT, entry.name)
        delivery._queue.hold(place)
        await rig.storage.outbox.put(place, entries.encode(entry))
        delivery._queue.add(place)
        await receiver.wait_for(entry.name)
        await rig.empty()


async def test_an_event_is_not_told_before_storage_shows_it(
    rig: Rig, receiver: WebhookReceiver
) -> None:
    (recording,) = await rig.created()
    completed = await rig.put("session.completed", recording.manifest)
    created = await rig.put("session.created", recording.manifest)
    async with running(rig.delivery(receiver)):
        await receiver.wait_for(created.name)

        def is_checked(found: list[Place]) -> bool:
            return [place.slot > FIRST_SLOT for place in found] == [True]

        await eventually(rig.left, is_checked, awaiting="an entry that was looked at")
        assert receiver.ids() == {created.name}
        await recording.complete(NOW)
        await receiver.wait_for(completed.name)
        await rig.empty()


async def test_an_event_that_cannot_happen_any_more_is_dropped(
    rig: Rig, receiver: WebhookReceiver
) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=4)
    (kept,) = await rig.created()
    await rig.put("session.completed", new_manifest())  # its session is gone
    await rig.put("session.created", new_manifest(), occurred_at=long_ago)
    await rig.put("session.deleted", kept.manifest, occurred_at=long_ago)
    waiting = await rig.put("session.created", new_manifest())  # it may be created yet
    still = await rig.put("session.completed", kept.manifest, occurred_at=long_ago)

    def names(found: list[Place]) -> set[str]:
        return {each.name for each in found}

    async with running(rig.delivery(receiver)):
        await eventually(
            rig.left,
            lambda found: names(found) == {waiting.name, still.name},
            awaiting="two entries that wait",
        )
    assert receiver.requests == []
    kept.abandon()


async def test_a_failed_attempt_is_repeated_with_the_same_id_and_a_new_time(
    rig: Rig, receiver: WebhookReceiver
) -> None:
    receiver.status = 500
    entry = await rig.put_created()
    async with running(rig.delivery(receiver, settings=PERSISTENT)):
        await receiver.wait_for_requests(2)
        receiver.status = 200
        await receiver.wait_for(entry.name)
        await rig.empty()
    assert {each.id for each in receiver.requests} == {entry.name}
    assert receiver.requests[0].status == 500


async def test_after_the_last_attempt_an_entry_is_dead_and_kept(
    rig: Rig, receiver: WebhookReceiver
) -> None:
    receiver.status = 500
    entry = await rig.put_created()
    async with running(rig.delivery(receiver)) as delivery:
        (dead,) = await rig.dead()
    assert len(receiver.requests) == 1 + len(QUICK.retry_seconds)
    assert delivery.attempts == {("session.created", "refused"): 4}
    kept = entries.decode(dead.name, await rig.storage.outbox.get(dead))
    assert (kept.name, kept.attempts) == (entry.name, 3)


async def test_the_time_that_a_receiver_asks_for_is_kept(
    rig: Rig, receiver: WebhookReceiver
) -> None:
    (recording,) = await rig.created()
    receiver.status, receiver.answer_headers = 503, {"Retry-After": "7200"}
    await rig.put("session.created", recording.manifest)
    async with running(rig.delivery(receiver)):
        await receiver.wait_for_requests(1)
        in_two_hours = slot_of(datetime.now(UTC).timestamp() + 7200)
        await eventually(
            rig.left,
            lambda found: [abs(place.slot - in_two_hours) <= 1 for place in found] == [True],
            awaiting="an entry that is due in two hours",
        )


async def test_a_receiver_gets_nothing_twice_because_another_one_fails(
    rig: Rig, receiver: WebhookReceiver
) -> None:
    entry = await rig.put_created()
    outbox = rig.storage.outbox
    once_more = msgspec.structs.replace(QUICK, retry_seconds=(0.01, 7200.0))
    in_an_hour = slot_of(datetime.now(UTC).timestamp() + 3600)
    with webhook_receiver() as failing:
        failing.status = 500
        async with running(rig.delivery(receiver, failing, settings=once_more)):
            (place,) = await eventually(
                rig.left,
                lambda found: len(found) == 1 and found[0].slot > in_an_hour,
                awaiting="an entry that has been tried twice",
            )
        assert len(failing.requests) == 2
        # After a restart, too.
        await outbox.put(place.moved(FIRST_SLOT), await outbox.get(place))
        await outbox.remove(place)
        failing.status = 200
        async with running(rig.delivery(receiver, failing)):
            await failing.wait_for(entry.name)
            await rig.empty()
    assert len(receiver.requests) == 1


async def test_no_receiver_waits_for_the_retries_of_another(
    rig: Rig, receiver: WebhookReceiver
) -> None:
    """One asks for two hours, one refuses until its event is dead, one fails once."""
    entry = await rig.put_created()
    in_an_hour = slot_of(datetime.now(UTC).timestamp() + 3600)

    def are_apart(found: list[Place]) -> bool:
        states = sorted((each.node == DEAD, each.slot > in_an_hour) for each in found)
        return states == [(False, True), (True, False)]

    with webhook_receiver() as later, webhook_receiver() as refusing:
        later.status, later.answer_headers = 503, {"Retry-After": "7200"}
        receiver.status = refusing.status = 500
        async with running(rig.delivery(receiver, later, refusing, timeouts_seconds=(60,) * 3)):
            await receiver.wait_for_requests(2)
            receiver.status = 204
            await receiver.wait_for(entry.event_id)
            left = await eventually(
                rig.left, are_apart, awaiting="an entry that waits for two hours, and a dead one"
            )
        assert len(later.requests) == 1
        assert len(refusing.requests) == 1 + len(QUICK.retry_seconds)
        stored = [entries.decode(each.name, await rig.storage.outbox.get(each)) for each in left]
        assert {each.event_id for each in stored} == {entry.event_id}
        hosts = {f"127.0.0.1:{each.port}" for each in (later, refusing)}
        assert {each.host for each in stored} == hosts


async def test_an_event_that_a_wrong_url_refused_goes_to_the_corrected_url(
    rig: Rig, receiver: WebhookReceiver
) -> None:
    entry = await rig.put_created()
    outbox = rig.storage.outbox
    with webhook_receiver() as wrong:
        wrong.status = 404
        async with running(rig.delivery(receiver, wrong)):
            await receiver.wait_for(entry.event_id)
            (dead,) = await rig.dead()
    await outbox.put(dead.moved(FIRST_SLOT, RETRIED), await outbox.get(dead))
    await outbox.remove(dead)
    with webhook_receiver() as corrected:
        async with running(rig.delivery(receiver, corrected)):
            await corrected.wait_for(entry.event_id)
            await rig.empty()
    assert len(receiver.requests) == 1


async def test_a_receiver_that_answers_410_gets_no_more_and_its_entries_are_dead(
    rig: Rig, receiver: WebhookReceiver
) -> None:
    recordings = await rig.created(2)
    receiver.status = 410
    for recording in recordings:
        await rig.put("session.created", recording.manifest)
    settings = msgspec.structs.replace(QUICK, turns=1)
    async with running(rig.delivery(receiver, settings=settings)) as delivery:
        await rig.dead(2)
        assert delivery.failing() == [f"127.0.0.1:{receiver.port}"]
    assert len(receiver.requests) == 1


async def test_an_entry_that_no_receiver_wants_any_more_is_removed(
    rig: Rig, receiver: WebhookReceiver
) -> None:
    await rig.put_created()
    delivery = rig.delivery(receiver)
    endpoint = delivery._receivers[0].endpoint
    delivery._receivers[0].endpoint = msgspec.structs.replace(endpoint, events=("session.deleted",))
    async with running(delivery):
        await rig.empty()
    assert receiver.requests == []


async def test_a_damaged_entry_harms_no_other_and_one_of_a_later_release_is_left_as_it_is(
    rig: Rig, receiver: WebhookReceiver
) -> None:
    node = await rig.storage.outbox.claim()
    newer = msgspec.json.encode({"version": entries.VERSION + 1})
    await rig.storage.outbox.put(Place(node, FIRST_SLOT, "damaged"), b"{")
    await rig.storage.outbox.put(Place(node, FIRST_SLOT, "newer"), newer)
    entry = await rig.put_created()

    async with running(rig.delivery(receiver)):
        await receiver.wait_for(entry.name)
        left = await eventually(
            rig.left,
            lambda found: (
                {(each.node == DEAD, each.name) for each in found}
                == {(True, "damaged"), (False, "newer")}
            ),
            awaiting="a dead entry, and one that waits",
        )
    data = {place.name: await rig.storage.outbox.get(place) for place in left}
    assert data == {"damaged": b"{", "newer": newer}


async def test_a_session_whose_manifest_is_damaged_harms_no_other(
    rig: Rig, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    first, second = await rig.created(2)
    (tmp_path / f"{first.manifest.session_id}.json").write_bytes(b"damaged")
    damaged = await rig.put("session.created", first.manifest)
    node = await rig.storage.outbox.claim()
    entry = await rig.put("session.created", second.manifest)
    # The other one is behind it, and a page has one entry.
    place = Place(node, FIRST_SLOT, entry.name)
    await rig.storage.outbox.put(place.moved(7), entries.encode(entry))
    await rig.storage.outbox.remove(place)
    settings = msgspec.structs.replace(QUICK, page_size=1)
    async with running(rig.delivery(receiver, settings=settings)):
        await receiver.wait_for(entry.name)
        (dead,) = await rig.dead()
    assert receiver.ids() == {entry.name}
    assert dead.name == damaged.name


async def test_entries_of_a_node_that_does_not_live_are_delivered(
    rig: Rig, receiver: WebhookReceiver
) -> None:
    (recording,) = await rig.created()
    entry = new_entry("session.created", recording.manifest.session_id, NOW)
    async with running(rig.delivery(receiver)):
        await rig.storage.outbox.put(Place("77", FIRST_SLOT, entry.name), entries.encode(entry))
        await receiver.wait_for(entry.name)
        await rig.empty()


async def test_a_backlog_is_delivered_whole_page_by_page(
    rig: Rig, receiver: WebhookReceiver
) -> None:
    (recording,) = await rig.created()
    node = await rig.storage.outbox.claim()
    minute = slot_of(datetime.now(UTC).timestamp())
    names = set()
    for number in range(120):
        entry = new_entry(
            "session.taken_over", recording.manifest.session_id, NOW, detail=f"{number:03}"
        )
        slot = FIRST_SLOT if number % 2 else minute - number
        await rig.storage.outbox.put(Place(node, slot, entry.name), entries.encode(entry))
        names.add(entry.name)
    settings = msgspec.structs.replace(QUICK, page_size=16)
    async with running(rig.delivery(receiver, settings=settings, schedule=Schedule(capacity=20))):
        await receiver.wait_for(*names)
        await rig.empty()
    assert len(receiver.requests) == len(names)


async def test_a_receiver_that_hangs_does_not_keep_another_one_waiting(
    rig: Rig, receiver: WebhookReceiver
) -> None:
    recordings = await rig.created(20)
    entries_put = [await rig.put("session.created", each.manifest) for each in recordings]
    with webhook_receiver() as hanging:
        hanging.go_on.clear()
        settings = msgspec.structs.replace(QUICK, turns=2)
        delivery = rig.delivery(
            receiver, hanging, settings=settings, timeouts_seconds=(60, 0.2), pause_seconds=3600.0
        )
        async with running(delivery):
            await receiver.wait_for(*(each.name for each in entries_put))
        assert delivery.attempts["session.created", "timeout"] <= 10


async def test_a_receiver_that_answers_slowly_does_not_keep_another_one_waiting(
    rig: Rig, receiver: WebhookReceiver
) -> None:
    """It gets all of them too, and what waits for its turn is no attempt."""
    recordings = await rig.created(12)
    names = [(await rig.put("session.created", each.manifest)).name for each in recordings]
    with webhook_receiver() as slow:
        slow.go_on.clear()
        settings = msgspec.structs.replace(QUICK, turns=2)
        async with running(rig.delivery(receiver, slow, settings=settings)) as delivery:
            await receiver.wait_for(*names)  # while the slow one has answered nothing
            await eventually(
                lambda: delivery.attempts,
                lambda found: found == {("session.created", "delivered"): 12},
                awaiting="the answers, of which none is an attempt of what waits",
            )
            slow.go_on.set()
            await slow.wait_for(*names)
    assert len(receiver.requests) == len(slow.requests) == 12


async def test_what_waits_for_a_turn_does_not_wait_for_the_pause_of_another_receiver(
    rig: Rig, receiver: WebhookReceiver
) -> None:
    names = [
        (await rig.put("session.created", each.manifest)).name for each in await rig.created(6)
    ]
    with webhook_receiver() as away:
        settings = msgspec.structs.replace(QUICK, turns=1)
        delivery = rig.delivery(receiver, away, settings=settings)
        delivery._receivers[1]._paused_until += 3600
        receiver.go_on.clear()
        async with running(delivery):
            await eventually(lambda: delivery._receivers[0].is_busy, awaiting="a slow receiver")
            receiver.go_on.set()
            await receiver.wait_for(*names)
    assert away.requests == []


async def test_a_failed_attempt_does_not_wait_for_the_pause_of_another_receiver(
    rig: Rig, receiver: WebhookReceiver
) -> None:
    (created,) = await rig.created(1)
    name = (await rig.put("session.created", created.manifest)).name
    with webhook_receiver() as away:
        delivery = rig.delivery(receiver, away, settings=PERSISTENT)
        delivery._receivers[1]._paused_until += 3600
        receiver.status = 500
        async with running(delivery):
            await receiver.wait_for_requests(1)
            receiver.status = 204
            await receiver.wait_for_requests(2)
    assert {each.id for each in receiver.requests} == {name}
    assert away.requests == []


async def test_a_backlog_is_looked_at_at_a_limited_pace(
    rig: Rig, receiver: WebhookReceiver
) -> None:
    clock = FrozenClock()
    names = [
        (await rig.put("session.created", each.manifest)).name for each in await rig.created(12)
    ]
    settings = msgspec.structs.replace(QUICK, max_per_second=5.0, turn_seconds=60)
    async with running(rig.delivery(receiver, settings=settings, clock=clock)) as delivery:
        for seconds, count in enumerate((5, 10, 12)):
            clock.seconds = float(seconds)
            await receiver.wait_for_requests(count)
            await eventually(lambda: not delivery._tasks, awaiting="an idle delivery")
            assert len(receiver.requests) == count
    assert receiver.ids() == set(names)


async def test_a_storage_that_fails_is_asked_again(
    rig: Rig, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await rig.put_created()
    outbox, failures = rig.storage.outbox, 3
    read: Callable[[Place], Any] = outbox.get

    async def get(place: Place) -> bytes:
        nonlocal failures
        if failures:
            failures -= 1
            from storage.errors import StorageUnavailableError

            raise StorageUnavailableError("the store is away")
        return bytes(await read(place))

    monkeypatch.setattr(outbox, "get", get)
    async with running(rig.delivery(receiver)):
        await receiver.wait_for(entry.name)
        await rig.empty()
    assert failures == 0
