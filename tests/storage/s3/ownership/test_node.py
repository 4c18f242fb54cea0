import asyncio
from pathlib import Path
from uuid import UUID

import pytest

from storage.s3.client.bucket import Bucket
from storage.s3.keys import NODES
from storage.s3.ownership.node import Node
from storage.s3.ownership.peers import LeaseSettings
from tests.conftest import ManualClock
from tests.eventually import start_task


@pytest.fixture
async def node(bucket: Bucket, tmp_path: Path) -> Node:
    """A node that renews its lease every tenth of a second."""
    node = Node(bucket, tmp_path, LeaseSettings(lease_seconds=0.3))
    await node.start()
    assert await bucket.keys(NODES) == [NODES + node.node_id]
    return node


async def test_a_stopped_node_leaves_no_lease(bucket: Bucket, node: Node) -> None:
    await node.stop()
    assert await bucket.keys(NODES) == []


async def test_a_renewal_in_flight_does_not_restore_a_released_lease(
    bucket: Bucket, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, began, may_continue = bucket.put, asyncio.Event(), asyncio.Event()

    async def late(key: str, body: bytes, content_type: str = "") -> None:
        began.set()
        await may_continue.wait()
        await put(key, body, content_type)

    monkeypatch.setattr(bucket, "put", late)
    await began.wait()
    stopping = await start_task(node.stop())
    may_continue.set()
    await stopping
    assert await bucket.keys(NODES) == []


async def test_a_renewal_between_attempts_does_not_keep_the_lease(
    bucket: Bucket, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = asyncio.Event()

    async def backing_off(key: str, body: bytes, content_type: str = "") -> None:
        began.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(bucket, "put", backing_off)
    await began.wait()
    await node.stop()
    assert await bucket.keys(NODES) == []


async def test_a_node_whose_id_was_damaged_gets_a_new_one(bucket: Bucket, tmp_path: Path) -> None:
    for content in (b"\xff" * 36, b"", b"not an id", b"019AA1B2"):
        (tmp_path / ".node").write_bytes(content)
        node = Node(bucket, tmp_path, LeaseSettings())
        await node.start()
        await node.stop()
        assert (tmp_path / ".node").read_text()[:36] == node.node_id
        assert str(UUID(node.node_id)) == node.node_id


async def test_of_the_living_nodes_that_can_sweep_the_one_with_the_lowest_id_does(
    bucket: Bucket, tmp_path: Path, clock: ManualClock
) -> None:
    nodes = []
    for number, sweeps in enumerate((False, True, True)):
        settings = LeaseSettings(
            address="http://node.example", lease_seconds=60, sweeps=sweeps, now=clock.now,
            monotonic=clock.monotonic,
        )  # fmt: skip
        nodes.append(Node(bucket, tmp_path / f"{number}", settings))
        await nodes[-1].start()
    assert [await node.is_sweeper() for node in nodes] == [False, True, False]
    for node in nodes:
        await node.peers.refresh()
    clock.seconds += 61
    assert [await node.is_sweeper() for node in nodes] == [False, False, False]  # overdue
    await nodes[2]._renew()
    assert await nodes[2].is_sweeper()  # the other one seems dead
    await nodes[1]._renew()
    clock.seconds += 10
    assert [await node.is_sweeper() for node in nodes] == [False, True, False]
    await nodes[1].stop()
    clock.seconds += 10
    assert await nodes[2].is_sweeper()
    for node in nodes:
        await node.stop()
