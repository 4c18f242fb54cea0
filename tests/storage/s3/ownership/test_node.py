import asyncio
from pathlib import Path

import pytest

from storage.s3.client.bucket import Bucket
from storage.s3.keys import NODES
from storage.s3.ownership.node import LeaseSettings, Node


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
    put, began = bucket.put, asyncio.Event()

    async def late(key: str, body: bytes, content_type: str = "") -> None:
        began.set()
        await asyncio.sleep(0.3)
        await put(key, body, content_type)

    monkeypatch.setattr(bucket, "put", late)
    await began.wait()
    await node.stop()
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
