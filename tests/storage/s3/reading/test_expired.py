"""Expired sessions cost a listing, and a get for each that is due; stale entries go."""

from datetime import UTC, datetime, timedelta

import pytest

from storage.base import ExpiredPage
from storage.details import DetailChanges
from storage.s3 import S3Storage, keys
from storage.s3.keys import SessionKeys
from tests.faults import FaultyStore
from tests.storage.conftest import new_manifest
from tests.storage.s3.conftest import operations
from tests.storage.test_conformance import LATER

NOW = datetime.now(UTC)


async def pages_of(storage: S3Storage, now: datetime) -> list[ExpiredPage]:
    return [page async for page in storage.expired(now)]


async def test_a_search_reads_no_session_whose_time_has_not_come(
    writer: S3Storage, store: FaultyStore
) -> None:
    for days in (1, 2, 2, 2):
        recording = await writer.create(new_manifest(expires_at=NOW + timedelta(days=days)))
        await recording.complete(LATER)
    await writer._cleaner.stop()
    since = len(store.requests)
    (page,) = await pages_of(writer, NOW + timedelta(days=1.5))
    assert len(page.sessions) == 1
    assert page.store_time is not None
    assert operations(store, since) == {"List": 1, "GetObject": 1}


async def test_an_entry_that_a_crash_has_left_is_removed_and_one_of_a_session_that_begins_is_not(
    writer: S3Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, soon = writer._bucket, NOW + timedelta(days=1)
    recording = await writer.create(new_manifest())
    completed = await recording.complete(LATER)
    stale = SessionKeys.of(completed).expiry(soon)[0]
    unborn = SessionKeys.of(new_manifest()).expiry(soon)[0]
    for key in (stale, unborn):
        await bucket.put(key, b"")
    assert [page.sessions for page in await pages_of(writer, soon)] == [[]]
    assert await bucket.keys(keys.EXPIRING) == [unborn]
    monkeypatch.setattr("storage.s3.reading.expired._CREATE_GRACE", timedelta(hours=-1))
    await pages_of(writer, soon)
    assert await bucket.keys(keys.EXPIRING) == []


async def test_a_time_that_was_changed_leaves_one_entry_and_a_deletion_none(
    writer: S3Storage,
) -> None:
    recording = await writer.create(new_manifest(expires_at=NOW + timedelta(days=1)))
    await recording.change(DetailChanges(expires_at=NOW + timedelta(days=3)))
    completed = await recording.complete(LATER)
    completed = await writer.change(completed, DetailChanges(expires_at=NOW + timedelta(days=2)))
    session = SessionKeys.of(completed)
    entries = await writer._bucket.keys(keys.EXPIRING)
    assert entries == session.expiry(NOW + timedelta(days=2))
    await writer.delete(completed)
    assert await writer._bucket.keys(keys.EXPIRING) == []
