"""Sessions are deleted a page at a time, and one that fails does not keep the others."""

import hashlib
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from api.maintenance.retention import Retention
from storage import manifest as manifests
from storage.base import AgedSession
from storage.errors import StorageUnavailableError
from storage.manifest import Manifest
from storage.s3 import S3Storage
from storage.s3.keys import NODES, SessionKeys
from storage.s3.writing.upload import Upload
from tests import engines
from tests.api.conftest import new_registry
from tests.conftest import ManualClock
from tests.faults import FaultyStore, Kind
from tests.s3_requests import Request, is_a
from tests.storage.conftest import new_manifest
from tests.storage.s3.conftest import operations
from tests.storage.test_conformance import LATER


async def completed_sessions(storage: S3Storage, count: int) -> list[tuple[AgedSession, Manifest]]:
    """Put what a bucket holds of ``count`` completed and cleaned up sessions; find them by age."""
    for _ in range(count):
        manifest = new_manifest()
        keys = SessionKeys.of(manifest)
        completed = msgspec.structs.replace(
            manifest, status="completed", completed_at=LATER, sha256=hashlib.sha256().hexdigest()
        )
        for key in (*keys.index(manifest.user_id), keys.audio, keys.peaks):
            await storage._bucket.put(key, b"")
        await storage._bucket.put(keys.manifest, manifests.encode(completed))
    found = [page async for page in storage.sessions_below(UUID(int=2**128 - 1))]
    sessions = [session for page in found for session in page.sessions]
    return [(each, await storage.manifest(each.session_id)) for each in sessions]


async def test_a_page_of_sessions_is_deleted_with_four_requests_and_one_for_each_claim(
    writer: S3Storage, store: FaultyStore
) -> None:
    sessions = await completed_sessions(writer, 20)
    assert len(sessions) == 20
    since = len(store.requests)
    assert await writer.delete_completed(sessions) == {}
    assert operations(store, since) == {"DeleteObjects": 4, "PutObject": 20}
    assert await writer._bucket.keys("") == [NODES + writer._node.node_id]


async def test_manifests_stay_if_the_deletion_of_the_rest_fails(
    writer: S3Storage, store: FaultyStore
) -> None:
    sessions = await completed_sessions(writer, 3)
    fault = store.fail(Kind.ERROR, is_a("DeleteObjects"))
    failed = await writer.delete_completed(sessions)
    assert set(failed) == {each.session_id for each, _ in sessions}
    fault.end()
    for each, manifest in sessions:
        assert await writer.manifest(each.session_id) == manifest
    assert await writer.delete_completed(sessions) == {}
    assert await writer._bucket.keys("") == [NODES + writer._node.node_id]


async def test_one_session_that_cannot_be_deleted_does_not_keep_the_others(
    writer: S3Storage, store: FaultyStore
) -> None:
    sessions = await completed_sessions(writer, 4)
    bad = SessionKeys(sessions[1][0].session_id)
    await writer._bucket.put(bad.segment(0), b"kept")
    sessions[1] = msgspec.structs.replace(sessions[1][0], has_folder=True), sessions[1][1]

    def lists_its_folder(request: Request) -> bool:
        return request.operation == "List" and str(bad.session_id) in request.query

    fault = store.fail(Kind.ERROR, lists_its_folder)
    failed = await writer.delete_completed(sessions)
    assert [type(error) for error in failed.values()] == [StorageUnavailableError]
    assert set(failed) == {bad.session_id}
    left = [key for key in await writer._bucket.keys("") if not key.startswith("_")]
    assert {key[:36] for key in left} == {str(bad.session_id)}
    fault.end()
    assert await writer.delete_completed(sessions) == {}
    assert await writer._bucket.keys("") == [NODES + writer._node.node_id]


async def test_uploads_and_kept_segments_are_deleted_with_their_session(
    writer: S3Storage, moto_url: str, prefix: str
) -> None:
    (found, manifest), *_ = await completed_sessions(writer, 1)
    keys = SessionKeys.of(manifest)
    await Upload.create(writer._bucket, keys.audio)
    for key in (keys.segment(0), keys.epoch(1)):
        await writer._bucket.put(key, b"")
    found = msgspec.structs.replace(found, has_folder=True)
    assert await writer.delete_completed([(found, manifest)]) == {}
    assert engines.open_uploads(moto_url, prefix) == []
    assert await writer._bucket.keys("") == [NODES + writer._node.node_id]


async def test_a_sweep_reads_each_expired_manifest_once_and_puts_its_claim(
    writer: S3Storage, store: FaultyStore, clock: ManualClock
) -> None:
    await completed_sessions(writer, 70)
    clock.seconds = (datetime.now(UTC) - clock.now()).total_seconds() + 60
    await writer._node._renew()
    deleted: list[str] = []
    retention = Retention(
        new_registry(writer, clock), writer, clock, days=1e-5, deleted=deleted.append
    )
    since = len(store.requests)
    await retention.sweep()
    assert len(set(deleted)) == len(deleted) == 70
    sent = operations(store, since)
    assert sent.pop("GetObject") == sent.pop("PutObject") == 70
    assert sent.pop("List") <= 4
    assert sent.pop("DeleteObjects") <= 12
    assert not sent
    await retention.sweep()
    assert len(deleted) == 70
