"""The outbox of a bucket; tests/storage/test_conformance.py tests what all backends promise."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uuid_utils.compat

from api.clock import SystemClock
from api.events.bodies import Bodies
from api.events.delivery import Delivery, DeliverySettings
from api.events.endpoint import Endpoint
from api.events.entry import encode, new_entry
from api.events.queue import OutboxQueue
from api.events.receiver import Receiver
from api.events.sender import HttpSender
from api.observe.tracing import Tracing
from storage.manifest import Manifest
from storage.outbox import FIRST_SLOT, Place
from storage.s3 import BucketSettings, S3Storage
from storage.s3.client.bucket import Bucket
from storage.s3.keys import OUTBOX
from storage.s3.outbox import OutboxObjects, S3Outbox
from storage.s3.ownership.node import Node
from storage.s3.ownership.peers import LeaseSettings
from tests.conftest import ManualClock
from tests.eventually import eventually
from tests.faults import FaultyStore
from tests.storage.s3.conftest import operations

LEASE_SECONDS = 60.0


@pytest.fixture
async def bucket(settings: BucketSettings) -> AsyncIterator[Bucket]:
    bucket = Bucket(settings)
    await bucket.start()
    yield bucket
    await bucket.stop()


async def start_node(bucket: Bucket, folder: Path, clock: ManualClock) -> Node:
    settings = LeaseSettings(lease_seconds=LEASE_SECONDS, monotonic=clock.monotonic)
    node = Node(bucket, folder, settings)
    await node.start()
    return node


async def test_the_living_node_with_the_lowest_id_adopts_the_entries_of_a_dead_one(
    bucket: Bucket, tmp_path: Path, clock: ManualClock
) -> None:
    nodes = [await start_node(bucket, tmp_path / str(n), clock) for n in range(3)]
    outboxes = [S3Outbox(bucket, node) for node in nodes]
    for outbox in outboxes:
        await outbox.put(Place(await outbox.claim(), FIRST_SLOT, "event"), b"{}")
    assert [await outbox.abandoned() for outbox in outboxes] == [[], [], []]
    await nodes[0].stop()
    clock.seconds += LEASE_SECONDS / 8
    assert await outboxes[1].abandoned() == [nodes[0].node_id]
    assert await outboxes[2].abandoned() == []
    await nodes[1].stop()
    await nodes[2].stop()


async def test_a_page_of_a_long_backlog_costs_one_listing(
    bucket: Bucket, store: FaultyStore
) -> None:
    outbox = OutboxObjects(bucket)
    for n in range(12):
        await outbox.put(Place("node", 7 + n, "event"), b"{}")
    before = len(store.requests)
    assert [place.slot for place in await outbox.page("node", 5)] == [7, 8, 9, 10, 11]
    assert operations(store, before) == {"List": 1}


async def test_a_backlog_costs_a_listing_for_each_page_and_three_requests_for_each_entry(
    writer: S3Storage, store: FaultyStore
) -> None:
    """It is never listed as a whole. Here every entry is dropped: its session does not exist."""

    async def no_link(_: Manifest) -> None: ...

    clock, settings = SystemClock(), DeliverySettings(max_per_second=1e6)
    endpoint = Endpoint("http://127.0.0.1:9/", (b"key",))
    receiver = Receiver(
        endpoint, HttpSender(), clock, Tracing(), timeout_seconds=1, pause_seconds=1
    )
    node = await writer.outbox.claim()
    for number in range(100):
        entry = new_entry("session.completed", str(uuid_utils.compat.uuid7()), clock.now())
        await writer.outbox.put(Place(node, 7 + number, entry.name), encode(entry))
    before = len(store.requests)
    queue = OutboxQueue(writer.outbox, clock, page_size=25, adopt_seconds=10)
    delivery = Delivery(
        writer.outbox, queue, Bodies(writer, clock, no_link), [receiver], clock, settings=settings
    )
    running = asyncio.create_task(delivery.run())
    await eventually(
        lambda: operations(store, before)["DeleteObjects"],
        lambda count: count >= 100,
        awaiting="an empty outbox",
    )
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    found = operations(store, before)
    assert found["GetObject"] <= 2 * 100 + 2
    assert found["DeleteObjects"] == 100
    # Pages of entries that are not under way yet, of two folders, and looks for other nodes.
    assert found["List"] <= 20


async def test_foreign_keys_are_left_out(bucket: Bucket) -> None:
    outbox = OutboxObjects(bucket)
    for key in (f"{OUTBOX}README.txt", f"{OUTBOX}node/notes", f"{OUTBOX}No Node/000000001-event"):
        await bucket.put(key, b"")
    await outbox.put(Place("node", 7, "event"), b"{}")
    assert await outbox.page("node", 10) == [Place("node", 7, "event")]
    assert await outbox.nodes() == ["node"]
