"""A node knows from listings which others live, and reads an object only if it must."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from storage.errors import BadObjectError
from storage.s3 import BucketSettings
from storage.s3.client.bucket import Bucket, Listing
from storage.s3.keys import NODES
from storage.s3.ownership.node import Node
from storage.s3.ownership.peers import LeaseSettings
from storage.s3.ownership.presence import Presence
from tests.conftest import ManualClock
from tests.faults import FaultyStore
from tests.storage.conftest import bucket_settings
from tests.storage.s3.conftest import operations

ADDRESS = "http://10.0.0.7:8000"
LEASE_SECONDS = 60.0
INTERVAL_SECONDS = 10.0
ONE, TWO = b"1" * 32, b"2" * 32


class Nodes:
    """Starts nodes that share a bucket and a monotonic clock."""

    def __init__(self, bucket: Bucket, folder: Path, clock: ManualClock) -> None:
        self._bucket = bucket
        self._folder = folder
        self._clock = clock
        self._started: list[Node] = []

    async def start(self, *keys: bytes, clock_off_by: timedelta | None = None, **more: Any) -> Node:
        """Start a node whose wall clock shows another time, with these signing keys."""
        off_by = clock_off_by or timedelta()
        settings = LeaseSettings(
            address=more.pop("address", ADDRESS),
            signing_keys=keys,
            lease_seconds=LEASE_SECONDS,
            now=lambda: datetime.now(UTC) + off_by,
            monotonic=self._clock.monotonic,
            **more,
        )
        node = Node(self._bucket, self._folder / f"{len(self._started)}", settings)
        await node.start()
        self._started.append(node)
        return node

    async def stop(self) -> None:
        for node in self._started:
            await node.stop()


@pytest.fixture
async def nodes(bucket: Bucket, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Nodes]:
    nodes = Nodes(bucket, tmp_path, clock)
    yield nodes
    await nodes.stop()


@pytest.mark.parametrize("hours", [-1, 1, 1000])
async def test_clocks_that_differ_by_hours_neither_kill_a_node_nor_keep_it_alive(
    nodes: Nodes, clock: ManualClock, hours: int
) -> None:
    here, other = await nodes.start(), await nodes.start(clock_off_by=timedelta(hours=hours))
    for _ in range(20):
        clock.seconds += LEASE_SECONDS / 3
        for this, peer in ((here, other), (other, here)):
            await this._renew()
            assert await this.peers.dead() == []
            assert await this.peers.presence(peer.node_id) is not None
    await here.peers.refresh()
    clock.seconds += LEASE_SECONDS + 1
    await here._renew()
    assert await here.peers.dead() == [other.node_id]
    assert await here.peers.presence(other.node_id) is None


async def test_each_interval_costs_a_node_one_listing_and_one_put_however_many_nodes_there_are(
    nodes: Nodes, store: FaultyStore, clock: ManualClock
) -> None:
    started = [await nodes.start() for _ in range(5)]
    for node in started:
        assert await node.peers.dead() == []
    for _ in range(3):
        since = len(store.requests)
        clock.seconds += INTERVAL_SECONDS
        for node in started:
            await node._renew()
            assert await node.peers.dead() == []
        assert operations(store, since) == {"List": 5, "PutObject": 5}


async def test_the_address_of_a_node_is_read_once_per_renewal_and_only_if_it_is_needed(
    nodes: Nodes, store: FaultyStore, clock: ManualClock
) -> None:
    here, other = await nodes.start(ONE), await nodes.start(ONE)
    for expected in ({"List": 1, "GetObject": 1}, {"List": 1}):
        since = len(store.requests)
        for _ in range(3):
            presence = await here.peers.presence(other.node_id)
            assert presence is not None
            assert presence.address == ADDRESS
        assert operations(store, since) == expected
        clock.seconds += INTERVAL_SECONDS


@pytest.mark.parametrize("engine", ["moto_url", "seaweedfs_url"])
async def test_a_listing_shows_every_renewal(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock
) -> None:
    url = request.getfixturevalue(engine)
    settings: BucketSettings = bucket_settings(url, prefix=f"{tmp_path.name}/")
    bucket = Bucket(settings)
    await bucket.start()
    nodes = Nodes(bucket, tmp_path, clock)
    here, other = await nodes.start(), await nodes.start()
    await here.peers.refresh()
    for _ in range(5):
        await other._renew()
        clock.seconds += LEASE_SECONDS + 1
        await here._renew()
        assert await here.peers.dead() == []
    clock.seconds += LEASE_SECONDS + 1
    assert await here.peers.dead() == [other.node_id]
    await nodes.stop()
    await bucket.stop()


async def test_a_node_that_starts_knows_from_the_store_which_nodes_are_dead(
    nodes: Nodes, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, listings = f"{uuid4()}", bucket.listings
    presence = Presence(ADDRESS, datetime.now(UTC) + timedelta(days=1))  # its clock was wrong
    await bucket.put(NODES + dead, msgspec.json.encode(presence))

    async def later(prefix: str) -> AsyncIterator[Listing]:
        """List as a store does a lease later."""
        async for listing in listings(prefix):
            assert listing.answered_at is not None
            now = listing.answered_at + timedelta(seconds=LEASE_SECONDS + 5)
            yield msgspec.structs.replace(listing, answered_at=now)

    monkeypatch.setattr(bucket, "listings", later)
    here = await nodes.start()
    assert await here.peers.dead() == [dead]


async def test_a_listing_that_is_behind_kills_no_node(
    nodes: Nodes, bucket: Bucket, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, other = await nodes.start(), await nodes.start()
    old = [listing async for listing in bucket.listings(NODES)]

    async def behind(_: str) -> AsyncIterator[Listing]:
        for listing in old:
            yield listing

    with monkeypatch.context() as patch:
        patch.setattr(bucket, "listings", behind)
        await here.peers.refresh()
        clock.seconds += LEASE_SECONDS + 1
        await other._renew()
        assert await here.peers.dead() == []
    clock.seconds += LEASE_SECONDS + 1
    assert await here.peers.dead() == [other.node_id]


async def test_a_node_that_has_stopped_is_dead_at_the_next_listing(
    nodes: Nodes, clock: ManualClock
) -> None:
    here, other = await nodes.start(), await nodes.start()
    assert await here.peers.presence(other.node_id) is not None
    await other.stop()
    assert await here.peers.presence(other.node_id, max_age_seconds=0) is None
    clock.seconds += INTERVAL_SECONDS
    assert await here.peers.presence(other.node_id) is None


async def test_a_dead_node_is_removed_and_one_that_was_slow_is_not(
    nodes: Nodes, bucket: Bucket, clock: ManualClock
) -> None:
    here, dead, slow = [await nodes.start() for _ in range(3)]
    await here.peers.refresh()
    clock.seconds += LEASE_SECONDS + 1
    await here._renew()
    assert set(await here.peers.dead()) == {dead.node_id, slow.node_id}
    await slow._renew()
    for each in (dead, slow):
        await here.peers.remove(each.node_id)
    left = {NODES + each.node_id for each in (here, slow)}
    assert set(await bucket.keys(NODES)) == left


async def test_a_node_with_a_damaged_object_is_dead_only_if_it_does_not_replace_it_in_time(
    nodes: Nodes, bucket: Bucket, clock: ManualClock
) -> None:
    other = f"{uuid4()}"
    await bucket.put(NODES + other, b"\xff{")
    here = await nodes.start()
    for seconds, data in ((0, None), (59, None), (2, b"{}"), (59, None)):
        clock.seconds += seconds
        if data is not None:
            await bucket.put(NODES + other, data)
        assert await here.peers.dead() == []
        with pytest.raises(BadObjectError, match=other):
            await here.peers.presence(other)
    clock.seconds += 2
    assert await here.peers.dead() == [other]
    assert await here.peers.presence(other) is None


async def test_an_address_with_a_valid_signature_is_used(nodes: Nodes) -> None:
    new, old = await nodes.start(TWO, ONE), await nodes.start(ONE)
    presence = await new.peers.presence(old.node_id)
    assert presence is not None
    assert presence.address == ADDRESS
    assert new.peers.problems() == []


@pytest.mark.parametrize("keys", [(), (TWO,)])
async def test_an_address_with_another_signature_or_none_is_not_used_and_is_a_problem(
    nodes: Nodes, keys: tuple[bytes, ...], clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    here, other = await nodes.start(ONE), await nodes.start(*keys)
    await here.peers.refresh()  # a problem is known before a request is relayed
    (problem,) = here.peers.problems()
    assert other.node_id in problem
    assert "SIGNING_SECRET" in problem
    for _ in range(2):
        presence = await here.peers.presence(other.node_id)
        assert presence is not None  # it lives, so its sessions are not taken over
        assert presence.address == ""
    assert caplog.text.count(f"Failed to verify a node: node={other.node_id}") == 1
    await other.stop()
    clock.seconds += INTERVAL_SECONDS
    assert await here.peers.presence(other.node_id) is None
    assert here.peers.problems() == []


async def test_without_keys_every_address_is_used_and_each_node_is_a_problem(nodes: Nodes) -> None:
    here, other = await nodes.start(), await nodes.start()
    presence = await here.peers.presence(other.node_id)
    assert presence is not None
    assert presence.address == ADDRESS
    (problem,) = here.peers.problems()
    assert problem.endswith("SIGNING_SECRET is not set")


async def test_a_node_that_is_started_again_with_the_right_secret_is_no_problem_any_more(
    nodes: Nodes, bucket: Bucket, tmp_path: Path, clock: ManualClock
) -> None:
    here, other = await nodes.start(ONE), await nodes.start(TWO)
    await here.peers.refresh()
    assert here.peers.problems()
    await other.abandon()
    again = Node(
        bucket, tmp_path / "1", LeaseSettings(signing_keys=(ONE,), monotonic=clock.monotonic)
    )
    await again.start()
    await here.peers.refresh()
    assert here.peers.problems() == []
    await again.stop()


@pytest.mark.parametrize(("days", "is_used"), [(-2, False), (-0.1, True), (2, True)])
async def test_a_signature_that_is_older_than_a_day_by_the_clock_of_the_store_is_not_used(
    nodes: Nodes, days: float, is_used: bool
) -> None:
    here = await nodes.start(ONE)
    other = await nodes.start(ONE, clock_off_by=timedelta(days=days))
    presence = await here.peers.presence(other.node_id)
    assert presence is not None
    assert bool(presence.address) == is_used
    assert bool(here.peers.problems()) != is_used


LOOPBACK = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("address", "loopback", "is_used"),
    [
        (LOOPBACK, "boot-2/1", False),
        (LOOPBACK, "boot-1/2", False),  # another container of the same machine
        (LOOPBACK, "boot-1/1", True),
        (LOOPBACK, "", True),  # as release 0.2.0 writes it
        (ADDRESS, "boot-2/1", True),
    ],
)
async def test_a_loopback_address_of_another_machine_is_not_used_and_is_a_problem(
    nodes: Nodes, address: str, loopback: str, is_used: bool, caplog: pytest.LogCaptureFixture
) -> None:
    here = await nodes.start(ONE, loopback="boot-1/1")
    other = await nodes.start(ONE, loopback=loopback, address=address)
    presence = await here.peers.presence(other.node_id)
    assert presence is not None
    assert presence.address == (address if is_used else "")
    assert any("NODE_URL" in problem for problem in here.peers.problems()) != is_used
    assert ("Other machines cannot reach a node" in caplog.text) != is_used
