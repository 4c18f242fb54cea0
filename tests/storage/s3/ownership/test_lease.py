"""The right to write one session, and what an epoch's object says of its owner."""

import contextlib
from uuid import uuid4

import msgspec
import pytest

from storage.errors import BadObjectError, OwnedElsewhereError
from storage.s3 import S3Storage
from storage.s3.ownership.lease import Owner, decode_owner
from storage.s3.writing.recording import S3Recording
from tests.conftest import ManualClock
from tests.damage import damaged
from tests.faults import FaultyStore
from tests.storage.s3.conftest import expire_lease, manifest_of
from tests.storage.test_conformance import LATER


async def test_other_nodes_know_the_owner_of_a_session_while_its_lease_lasts(
    writer: S3Storage, reader: S3Storage, recording: S3Recording, clock: ManualClock
) -> None:
    manifest = await manifest_of(reader, recording)
    assert await reader.owner(manifest) == "http://node.example"
    assert await writer.owner(manifest) is None
    with pytest.raises(OwnedElsewhereError):
        await reader.open(manifest)
    with pytest.raises(OwnedElsewhereError):
        await reader.delete(manifest)
    await expire_lease(clock, reader)
    assert await reader.owner(manifest) is None
    await writer._node._renew()
    await reader._node.peers.refresh()
    assert await reader.owner(manifest) is not None
    await recording.release()
    assert await reader.owner(manifest) is None


async def test_the_owner_of_a_completed_session_is_none_without_a_request(
    store: FaultyStore, reader: S3Storage, recording: S3Recording
) -> None:
    completed = await recording.complete(LATER)
    since = len(store.requests)
    assert await reader.owner(completed) is None
    assert not [r for r in store.requests[since:] if "_nodes/" in r.path]


@pytest.mark.parametrize("is_released", [True, False])
def test_damaged_bytes_are_an_owner_or_a_bad_object(is_released: bool) -> None:
    owner = Owner(str(uuid4()), is_released=is_released)
    for data in damaged(msgspec.json.encode(owner)):
        with contextlib.suppress(BadObjectError):
            assert len(decode_owner("key", data).node_id) == len(owner.node_id)


@pytest.mark.parametrize("node_id", ["", "evil", "../x", 5, None])
def test_an_owner_that_is_no_node_is_a_bad_object(node_id: object) -> None:
    with pytest.raises(BadObjectError, match="key does not name the owner"):
        decode_owner("key", msgspec.json.encode({"node_id": node_id}))
