"""Of a hold and a deletion that two nodes begin, one wins and the other changes nothing."""

import asyncio

import pytest
import uuid_utils.compat

from storage.details import DetailChanges
from storage.errors import RecordingNotFoundError, SessionHeldError, StorageUnavailableError
from storage.s3 import S3Storage, holds
from storage.s3.client.bucket import Bucket
from storage.s3.keys import SessionKeys
from storage.s3.writing.recording import S3Recording
from tests.faults import FaultyStore, Kind
from tests.storage.s3.writing.test_manifests import nth
from tests.storage.test_conformance import LATER, id_of


def new_keys() -> SessionKeys:
    return SessionKeys(uuid_utils.compat.uuid7())


async def test_the_claim_belongs_to_the_first(bucket: Bucket) -> None:
    session = new_keys()
    assert not await holds.is_held(bucket, session)
    await holds.hold(bucket, session)
    await holds.hold(bucket, session)
    with pytest.raises(SessionHeldError):
        await holds.begin_deletion(bucket, session)
    await holds.lift(bucket, session)
    await holds.begin_deletion(bucket, session)
    await holds.begin_deletion(bucket, session)  # a deletion that is repeated
    with pytest.raises(RecordingNotFoundError):
        await holds.hold(bucket, session)
    await holds.lift(bucket, session)  # no hold, so nothing is lifted
    with pytest.raises(RecordingNotFoundError):
        await holds.hold(bucket, session)


async def test_a_change_of_the_title_on_another_node_does_not_lift_a_hold(
    store: FaultyStore, writer: S3Storage, reader: S3Storage, recording: S3Recording
) -> None:
    """The change has read the details before the hold, and puts them after it."""
    completed = await recording.complete(LATER)
    name = f"{completed.session_id}.meta.json"
    pause = store.fail(Kind.STALLED, nth(1, "PUT", name), times=1)
    changing = asyncio.create_task(reader.change(completed, DetailChanges(title="x")))
    await asyncio.to_thread(pause.wait)
    assert (await writer.change(completed, DetailChanges(hold=True))).hold
    pause.end()
    assert (await changing).hold
    assert (await reader.manifest(id_of(recording))).hold


@pytest.mark.parametrize("moment", ["GET .meta.json", "PUT .meta.json", "PUT .json"])
async def test_a_hold_that_was_not_answered_keeps_the_session_and_can_be_lifted(
    store: FaultyStore, writer: S3Storage, reader: S3Storage, recording: S3Recording, moment: str
) -> None:
    """As after a kill of the node at this request."""
    completed = await recording.complete(LATER)
    method, suffix = moment.split()
    store.fail(Kind.ERROR, nth(1, method, f"{completed.session_id}{suffix}"), times=1)
    with pytest.raises(StorageUnavailableError):
        await reader.change(completed, DetailChanges(hold=True))
    with pytest.raises(SessionHeldError):
        await writer.delete(completed)
    assert (await writer.audio(completed)).size_bytes == completed.size_bytes
    found = await writer.change(await writer.manifest(id_of(recording)), DetailChanges(title="x"))
    assert found.hold  # the claim decides
    await writer.delete(await writer.change(found, DetailChanges(hold=False)))
    assert not [key for key in await reader._bucket.keys("") if completed.session_id in key]
