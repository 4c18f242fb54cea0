"""The right to write one session, and what an epoch's object says of its owner."""

import contextlib
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from storage.errors import BadObjectError, OwnedElsewhereError
from storage.s3 import S3Storage
from storage.s3.ownership.lease import Owner, decode_owner
from storage.s3.writing.recording import S3Recording
from storage.worker import Worker
from tests.conftest import ManualClock
from tests.damage import damaged
from tests.faults import FaultyStore
from tests.storage.conftest import new_manifest
from tests.storage.s3.conftest import AUDIO, OpenS3, expire_lease, manifest_of
from tests.storage.test_conformance import LATER, append


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


async def test_a_spool_in_the_folder_of_another_worker_than_its_owner_is_continued_from_there(
    open_s3: OpenS3, tmp_path: Path
) -> None:
    async def start(number: int) -> S3Storage:
        storage = open_s3(tmp_path, worker=Worker(number, 2))
        await storage.start()
        return storage

    first, second = await start(1), await start(2)
    recording = await first.create(new_manifest())
    append(recording, AUDIO)
    manifest = await manifest_of(second, recording)
    recording.abandon()
    await first._node.abandon()
    await second.abandoned()  # its folder is adopted
    taken_over = await second.open(manifest)
    append(taken_over, AUDIO)
    taken_over.abandon()
    await second._node.abandon()
    with_spool, with_owner = await start(1), await start(2)
    with pytest.raises(OwnedElsewhereError) as raised:
        await with_owner.open(manifest)
    assert raised.value.address == "worker:1"
    continued = await with_spool.open(manifest)
    assert continued.checkpoint.pcm_bytes == 2 * len(AUDIO)
    await continued.complete(LATER)
    for each in (with_spool, with_owner):
        await each.stop()


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
