"""Pages of the session list are read with the index, newest first."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from storage.errors import RecordingNotFoundError
from storage.filters import Filters
from storage.s3 import S3Storage
from storage.s3.reading.listing import read_page
from storage.s3.writing.manifests import read_manifest
from tests.faults import FaultyStore
from tests.storage.conftest import new_manifest
from tests.storage.test_conformance import LATER


async def created(storage: S3Storage, *users: str | None) -> list[str]:
    """Create a completed session for each user; return the ids, newest first."""
    ids = []
    for user in users:
        recording = await storage.create(new_manifest(user_id=user))
        await recording.complete(LATER)
        ids.append(recording.manifest.session_id)
    return ids[::-1]


async def listed(
    storage: S3Storage, cursor: str | None = None, user: str | None = None
) -> list[str]:
    position = None if cursor is None else UUID(cursor)
    page = await read_page(storage._bucket, Filters(user_id=user), limit=2, cursor=position)
    return [manifest.session_id for manifest in page.manifests]


async def test_pages_follow_each_other_without_a_gap(writer: S3Storage) -> None:
    ids = await created(writer, None, "alice", None)
    first = await read_page(writer._bucket, Filters(), limit=2)
    assert [manifest.session_id for manifest in first.manifests] == ids[:2]
    assert first.next_cursor == ids[1]
    assert await listed(writer, cursor=ids[1]) == ids[2:]


async def test_a_user_has_pages_of_its_own(writer: S3Storage) -> None:
    ids = await created(writer, "alice", "bob", "alice", "alice")
    alice = [ids[0], ids[1], ids[3]]
    assert await listed(writer, user="alice") == alice[:2]
    assert await listed(writer, user="alice", cursor=alice[1]) == alice[2:]
    assert await listed(writer, user="mallory") == []


async def test_a_damaged_manifest_hides_its_own_session_only(
    writer: S3Storage, caplog: pytest.LogCaptureFixture
) -> None:
    ids = await created(writer, None, None)
    await writer._bucket.put(f"{ids[0]}.json", b"{")
    assert await listed(writer) == ids[1:]
    assert f"left out of lists: {ids[0]}" in caplog.text


async def test_an_entry_of_the_index_without_a_manifest_is_skipped(writer: S3Storage) -> None:
    ids = await created(writer, None, None)
    await writer._bucket.delete([f"{ids[0]}.json"])
    assert await listed(writer) == ids[1:]
    with pytest.raises(RecordingNotFoundError):
        await read_manifest(writer._bucket, UUID(ids[0]))


@pytest.mark.parametrize("is_oldest_first", [False, True], ids=["newest", "oldest"])
async def test_a_page_ends_after_so_many_manifests_that_do_not_match_and_the_next_one_goes_on(
    store: FaultyStore, writer: S3Storage, is_oldest_first: bool
) -> None:
    ids = await created(writer, *(f"user {number}" for number in range(9)))
    filters = Filters(text="user 4", is_oldest_first=is_oldest_first)
    found: list[str] = []
    pages = 0
    cursor = None
    while True:
        store.requests.clear()
        page = await read_page(writer._bucket, filters, limit=5, cursor=cursor, max_mismatches=3)
        pages += 1
        found += [manifest.session_id for manifest in page.manifests]
        if page.next_cursor is None:
            break
        assert len([each for each in store.requests if each.operation == "GetObject"]) <= 20
        cursor = UUID(page.next_cursor)
    assert found == [ids[4]]
    assert pages == 3


async def test_a_list_of_a_time_reads_its_manifests_only(
    store: FaultyStore, writer: S3Storage
) -> None:
    ids = await created(writer, *[None] * 4)
    await writer._cleaner.stop()
    at = datetime.fromtimestamp((UUID(ids[0]).int >> 80) / 1000 + 3600, UTC)
    for is_oldest_first in (False, True):
        store.requests.clear()
        filters = Filters(created_from=at, is_oldest_first=is_oldest_first)
        assert (await read_page(writer._bucket, filters, limit=10)).manifests == []
        assert [each.operation for each in store.requests] == ["List"]
