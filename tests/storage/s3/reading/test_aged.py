"""Sessions are found by age with one pass over the keys, whatever else lies in the bucket."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from storage.base import AgedSession
from storage.s3.client.bucket import Bucket, ListedObject, Listing
from storage.s3.reading.aged import sessions_below
from tests.faults import FaultyStore
from tests.storage.s3.conftest import operations

THEN = datetime(2026, 1, 1, tzinfo=UTC)


def id_of(number: int) -> UUID:
    return UUID(f"019aa1b2-7c3d-7e4f-8a5b-{number:012x}")


class ListedBucket:
    """A bucket that lists given names in pages of three, as AWS or as SeaweedFS does."""

    def __init__(self, names: list[str], *, folders_first: bool) -> None:
        self._names = sorted(
            names, key=lambda name: name.removesuffix("/") if folders_first else name
        )

    async def listings(self, *_: object, **__: object):  # type: ignore[no-untyped-def]
        for start in range(0, len(self._names), 3):
            page = self._names[start : start + 3]
            yield Listing(
                [ListedObject(name, 1, THEN) for name in page if not name.endswith("/")],
                [name for name in page if name.endswith("/")],
                THEN,
            )


@pytest.mark.parametrize("folders_first", [True, False], ids=["SeaweedFS", "AWS"])
@pytest.mark.parametrize("foreign", range(3))
async def test_the_names_of_a_session_may_lie_on_two_pages(
    foreign: int, *, folders_first: bool
) -> None:
    kinds = [
        (".dat", ".json", ".wav"),
        (".json", "/"),
        (".json", ".links/", ".wav", "/"),
        (".wav",),
    ]
    names = [f"{id_of(n)}{kind}" for n in range(12) for kind in kinds[n % 4]]
    names += ["0", "00000/", "_index/", "_nodes/", f"{id_of(3)}x.json", "README"][: foreign * 3]
    bucket = ListedBucket(names, folders_first=folders_first)
    found = [
        session
        async for page in sessions_below(bucket, id_of(10))  # type: ignore[arg-type]
        for session in page.sessions
    ]
    assert found == [
        AgedSession(
            id_of(n),
            THEN if ".wav" in kinds[n % 4] else None,
            has_folder="/" in kinds[n % 4],
        )
        for n in range(10)
        if n % 4 != 3  # no manifest
    ]


async def test_only_the_keys_of_old_sessions_are_listed_and_none_is_read(
    bucket: Bucket, store: FaultyStore
) -> None:
    for number in range(60):
        for kind in ("dat", "json", "wav"):
            await bucket.put(f"{id_of(number)}.{kind}", b"")
    await bucket.put(f"{id_of(0)}/segments/1", b"")
    since = len(store.requests)
    pages = [page async for page in sessions_below(bucket, id_of(52))]
    assert operations(store, since) == {"List": 2}
    found = [session for page in pages for session in page.sessions]
    assert [each.session_id for each in found] == [id_of(n) for n in range(52)]
    assert [each.session_id for each in found if each.has_folder] == [id_of(0)]
    assert all(page.store_time is not None for page in pages)
