"""What is deleted is gone, as far as versions and locks allow."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uuid_utils.compat

from storage.errors import RecordingNotFoundError, StorageUnavailableError
from storage.s3 import S3Storage, UploadSettings
from storage.s3.client.bucket import Bucket, BucketSettings
from tests import engines
from tests.audio import pcm
from tests.faults import FaultyStore, Kind
from tests.s3_requests import is_a
from tests.storage.conftest import new_manifest
from tests.storage.s3.conftest import opened_bucket
from tests.storage.test_conformance import LATER, append

ENGINES = ["moto_url", "seaweedfs_url"]
REFUSED = "The store refused to delete"


def versions(bucket: Bucket) -> list[tuple[str, bool]]:
    """Return the key of each version and delete marker, and whether it is a marker."""
    url, name = str(bucket.settings.endpoint_url), bucket.settings.bucket
    listed = engines.client(url).list_object_versions(Bucket=name)
    found = [(entry["Key"], False) for entry in listed.get("Versions", [])]
    return sorted(found + [(entry["Key"], True) for entry in listed.get("DeleteMarkers", [])])


@contextlib.asynccontextmanager
async def opened(
    url: str, *, is_locked: bool = False, lock_days: int = 1, **options: Any
) -> AsyncIterator[Bucket]:
    """Yield a new bucket with versioning, or with object lock for ``lock_days`` by default."""
    name = f"versions-{uuid_utils.compat.uuid7()}"
    s3 = engines.client(url)
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=is_locked)
    if is_locked and lock_days:
        rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": lock_days}}
        s3.put_object_lock_configuration(
            Bucket=name,
            ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule},
        )
    elif not is_locked:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    settings = BucketSettings(bucket=name, prefix="p/", endpoint_url=url, **options)
    async with opened_bucket(settings) as bucket:
        yield bucket


@pytest.fixture(params=ENGINES)
async def versioned(request: pytest.FixtureRequest) -> AsyncIterator[Bucket]:
    async with opened(request.getfixturevalue(request.param), delete_versions=True) as bucket:
        yield bucket


@pytest.fixture(params=ENGINES)
async def locked(request: pytest.FixtureRequest) -> AsyncIterator[Bucket]:
    url = request.getfixturevalue(request.param)
    async with opened(url, is_locked=True, delete_versions=True, checksum="md5") as bucket:
        yield bucket


@pytest.fixture
async def unversioned(settings: BucketSettings) -> AsyncIterator[Bucket]:
    async with opened_bucket(msgspec.structs.replace(settings, delete_versions=True)) as bucket:
        yield bucket


async def test_a_deletion_leaves_no_version_and_no_marker(versioned: Bucket) -> None:
    await versioned.put("key", b"first")
    await versioned.put("key", b"second")
    await versioned.put("key-of-another", b"kept")
    await versioned.delete(["key", "missing"])
    assert versions(versioned) == [("p/key-of-another", False)]


async def test_the_deletion_of_a_folder_removes_what_was_deleted_before(versioned: Bucket) -> None:
    count = engines.MOTO_PAGE_KEYS + 1  # more than a page
    await asyncio.gather(*(versioned.put(f"folder/{number}", b"") for number in range(count)))
    await versioned.delete(["folder/0"], keep_versions=True)
    assert ("p/folder/0", True) in versions(versioned)
    await versioned.put("other", b"kept")
    await versioned.delete_below("folder/")
    assert versions(versioned) == [("p/other", False)]


async def test_without_the_setting_a_deletion_writes_a_marker(moto_url: str) -> None:
    async with opened(moto_url) as bucket:
        await bucket.put("key", b"content")
        await bucket.put("folder/key", b"content")
        await bucket.delete(["key"])
        await bucket.delete_below("folder/")
        expected = [(key, is_marker) for key in ("p/folder/key", "p/key") for is_marker in (0, 1)]
        assert versions(bucket) == expected


async def test_without_versioning_a_deletion_is_the_same(unversioned: Bucket) -> None:
    for key in ("key", "folder/a", "folder/b"):
        await unversioned.put(key, b"content")
    await unversioned.delete(["key"])
    await unversioned.delete_below("folder/")
    assert await unversioned.keys("") == []


async def test_what_a_lock_keeps_is_hidden_and_logged_once(
    locked: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for content in (b"active", b"completed"):
        await locked.put("key", content)
    await locked.put("folder/a", b"content")
    await locked.put("folder/b", b"content")
    for _ in range(2):  # a repeated deletion adds nothing
        await locked.delete(["key"])
        await locked.delete_below("folder/")
    assert await locked.keys("") == []
    with pytest.raises(RecordingNotFoundError):
        await locked.get("key")
    assert versions(locked) == [
        ("p/folder/a", False), ("p/folder/a", True), ("p/folder/b", False), ("p/folder/b", True),
        ("p/key", False), ("p/key", False), ("p/key", True),
    ]  # fmt: skip
    assert [REFUSED in record.message for record in caplog.records] == [True]


async def test_an_interrupted_deletion_does_not_bring_an_older_version_back(
    store: FaultyStore,
) -> None:
    is_deletion = is_a("DeleteObjects")
    async with opened(store.url, delete_versions=True, max_attempts=1) as bucket:
        for content in (b"active", b"completed"):
            await bucket.put("key", content)
        store.fail(
            Kind.DROPPED,
            lambda request: is_deletion(request) and sum(map(is_deletion, store.requests)) > 1,
        )
        with pytest.raises(StorageUnavailableError):
            await bucket.delete(["key"])
        assert await bucket.get("key") == b"completed"
        assert len(versions(bucket)) == 1


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_locked_older_version_does_not_come_back(
    request: pytest.FixtureRequest, engine: str
) -> None:
    url = request.getfixturevalue(engine)
    async with opened(url, is_locked=True, lock_days=0, delete_versions=True) as bucket:
        await bucket.put("key", b"active")
        name, s3 = bucket.settings.bucket, engines.client(url)
        until = datetime.now(UTC) + timedelta(days=1)
        s3.put_object_retention(
            Bucket=name, Key="p/key", Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until}
        )
        await bucket.put("key", b"completed")
        await bucket.delete(["key"])
        assert await bucket.keys("") == []
        assert ("p/key", False) in versions(bucket)


async def record_and_delete(settings: BucketSettings, folder: Path) -> None:
    """Complete a session of several segments, let the service clean up, and delete the session."""
    storage = S3Storage(settings, folder, UploadSettings(segment_seconds=3600))
    await storage.start()
    recording = await storage.create(new_manifest(user_id="user"))
    for _ in range(3):
        append(recording, pcm(1000))
        await recording.flush()
    manifest = await recording.complete(LATER)
    await storage.stop()  # waits for the cleaning
    storage = S3Storage(settings, folder)
    await storage.start()
    await storage.delete(manifest)
    assert (await storage.manifests(limit=10)).manifests == []
    assert await storage.active_sessions() == []
    await storage.stop()


async def test_a_deleted_session_leaves_no_version(versioned: Bucket, tmp_path: Path) -> None:
    await record_and_delete(versioned.settings, tmp_path)
    left = {key.removeprefix("p/").split("/")[0] for key, _ in versions(versioned)}
    assert left == {"_nodes", "_probe"}  # a lifecycle rule removes these


async def test_a_locked_bucket_holds_sessions(
    locked: Bucket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    await record_and_delete(locked.settings, tmp_path)
    assert await locked.keys("") == []
    assert [REFUSED in record.message for record in caplog.records] == [True] * 2  # processes


async def test_a_failure_that_may_pass_is_raised(bucket: Bucket, store: FaultyStore) -> None:
    await bucket.put("folder/key", b"content")
    store.fail(Kind.NOT_DELETED, is_a("DeleteObjects"), times=1)
    with pytest.raises(StorageUnavailableError, match=r"1 objects were not deleted.*SlowDown"):
        await bucket.delete_below("folder/")
    await bucket.delete_below("folder/")
    assert await bucket.keys("") == []


async def test_a_refusal_stops_the_deletion_of_a_key_and_not_that_of_a_folder(
    bucket: Bucket, store: FaultyStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for key in ("key", "folder/key"):
        await bucket.put(key, b"content")
    store.fail(Kind.DELETION_REFUSED, is_a("DeleteObjects"))
    with pytest.raises(StorageUnavailableError, match="AccessDenied"):
        await bucket.delete(["key"])
    for _ in range(2):
        await bucket.delete_below("folder/")
    assert [REFUSED in record.message for record in caplog.records] == [True]
