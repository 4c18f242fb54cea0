"""A node uses the address of another node only if the other node has signed it."""

from pathlib import Path

import msgspec
import pytest

from storage.s3.client.bucket import Bucket
from storage.s3.keys import NODES
from storage.s3.ownership.node import LeaseSettings, Node, Presence

ADDRESS = "http://10.0.0.7:8000"
ONE, TWO = b"1" * 32, b"2" * 32


async def node(bucket: Bucket, folder: Path, *keys: bytes, address: str = ADDRESS) -> Node:
    node = Node(bucket, folder, LeaseSettings(address=address, signing_keys=keys))
    await node.start()
    return node


async def test_an_address_with_a_valid_signature_is_used(bucket: Bucket, tmp_path: Path) -> None:
    new = await node(bucket, tmp_path / "new", TWO, ONE)
    old = await node(bucket, tmp_path / "old", ONE)
    presence = await new.presence(old.node_id)
    assert presence is not None
    assert presence.address == ADDRESS
    assert new.peers.problems() == []
    for each in (new, old):
        await each.stop()


@pytest.mark.parametrize("keys", [(), (TWO,)])
async def test_an_address_with_another_signature_or_none_is_not_used_and_is_a_problem(
    bucket: Bucket, tmp_path: Path, keys: tuple[bytes, ...], caplog: pytest.LogCaptureFixture
) -> None:
    this, other = await node(bucket, tmp_path / "a", ONE), await node(bucket, tmp_path / "b", *keys)
    for _ in range(2):
        presence = await this.presence(other.node_id)
        assert presence is not None  # it lives, so its sessions are not taken over
        assert presence.address == ""
    (problem,) = this.peers.problems()
    assert other.node_id in problem
    assert "SIGNING_SECRET" in problem
    assert caplog.text.count("Failed to verify a node") == 1
    await other.stop()
    assert await this.presence(other.node_id) is None
    assert this.peers.problems() == []
    await this.stop()


async def test_without_keys_every_address_is_used_and_each_node_is_a_problem(
    bucket: Bucket, tmp_path: Path
) -> None:
    this, other = await node(bucket, tmp_path / "a"), await node(bucket, tmp_path / "b")
    presence = await this.presence(other.node_id)
    assert presence is not None
    assert presence.address == ADDRESS
    (problem,) = this.peers.problems()
    assert problem.endswith("SIGNING_SECRET is not set")
    for each in (this, other):
        await each.stop()


async def test_a_signature_is_for_one_node_one_address_and_one_time(
    bucket: Bucket, tmp_path: Path
) -> None:
    this, other = await node(bucket, tmp_path / "a", ONE), await node(bucket, tmp_path / "b", ONE)
    signed = msgspec.json.decode(await bucket.get(NODES + other.node_id), type=Presence)
    another = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"
    altered = [
        (another, signed),
        (other.node_id, msgspec.structs.replace(signed, address="http://evil.example")),
        (
            other.node_id,
            msgspec.structs.replace(signed, expires_at=signed.expires_at.replace(year=2999)),
        ),
    ]
    for node_id, presence in altered:
        await bucket.put(NODES + node_id, msgspec.json.encode(presence))
        found = await this.presence(node_id)
        assert found is not None
        assert found.address == ""
    await bucket.delete([NODES + another])
    for each in (this, other):
        await each.stop()
