import asyncio
import contextlib
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest

from storage.errors import BadObjectError
from storage.s3.client.bucket import Bucket
from storage.s3.keys import NODES
from storage.s3.ownership.node import LeaseSettings, Node, Presence, decode_presence
from tests.conftest import ManualClock
from tests.damage import damaged
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


async def test_a_node_with_damaged_presence_is_dead_only_if_it_does_not_replace_it_in_time(
    bucket: Bucket, tmp_path: Path, clock: ManualClock
) -> None:
    other = f"{uuid4()}"
    await bucket.put(NODES + other, b"\xff{")
    node = Node(bucket, tmp_path, LeaseSettings(lease_seconds=60, monotonic=clock.monotonic))
    await node.start()
    for seconds, data in ((0, None), (59, None), (2, b"{}"), (59, None)):
        clock.seconds += seconds
        if data is not None:
            await bucket.put(NODES + other, data)
        assert await node.dead_nodes() == []
        with pytest.raises(BadObjectError, match=other):
            await node.presence(other)
    clock.seconds += 2
    assert await node.dead_nodes() == [other]
    assert await node.presence(other) is None
    await node.stop()


async def test_every_damage_of_a_presence_is_a_value_or_one_error(
    bucket: Bucket, tmp_path: Path
) -> None:
    for data in damaged(msgspec.json.encode(Presence("http://node", datetime.now(UTC)))):
        with contextlib.suppress(BadObjectError):
            decode_presence(f"{uuid4()}", data)


async def test_a_node_whose_id_was_damaged_gets_a_new_one(bucket: Bucket, tmp_path: Path) -> None:
    for content in (b"\xff" * 36, b"", b"not an id", b"019AA1B2"):
        (tmp_path / ".node").write_bytes(content)
        node = Node(bucket, tmp_path, LeaseSettings())
        await node.start()
        await node.stop()
        assert (tmp_path / ".node").read_text()[:36] == node.node_id
        assert str(UUID(node.node_id)) == node.node_id
