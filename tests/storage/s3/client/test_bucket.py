import asyncio
import re

import pytest

from storage.errors import RecordingNotFoundError, StorageUnavailableError
from storage.s3.client.bucket import Bucket, KeyExistsError
from tests import engines, faults
from tests.faults import FaultyStore, Kind
from tests.s3_requests import is_a

is_put = is_a("PutObject")


async def test_a_key_is_created_once(bucket: Bucket) -> None:
    await bucket.create("key", b"first")
    with pytest.raises(KeyExistsError):
        await bucket.create("key", b"second")
    assert await bucket.get("key") == b"first"


async def test_of_writers_that_race_one_wins(bucket: Bucket) -> None:
    ends = await asyncio.gather(
        *(bucket.create("key", b"%d" % number) for number in range(10)), return_exceptions=True
    )
    assert [type(end) for end in ends].count(KeyExistsError) == 9
    assert await bucket.get("key") == b"%d" % ends.index(None)


async def test_a_retry_knows_its_own_success(bucket: Bucket, store: FaultyStore) -> None:
    fault = store.fail(Kind.LOST_ANSWER, is_put, times=1)
    await bucket.create("key", b"mine", metadata={"kept": "too"})
    assert len(fault.hits) == 1
    assert sum(map(is_put, store.requests)) == 2
    assert (await bucket.head("key")).metadata["kept"] == "too"


async def test_a_retry_does_not_take_a_strangers_object_for_its_own(
    bucket: Bucket, store: FaultyStore
) -> None:
    await bucket.create("key", b"a stranger's")
    store.fail(Kind.DROPPED, is_put, times=1)
    with pytest.raises(KeyExistsError):
        await bucket.create("key", b"mine")
    assert await bucket.get("key") == b"a stranger's"


async def test_a_caller_that_tries_again_knows_its_own_success(
    bucket: Bucket, store: FaultyStore
) -> None:
    fault = store.fail(Kind.LOST_ANSWER, is_put)
    with pytest.raises(StorageUnavailableError):
        await bucket.create("key", b"mine", write_id="same")
    fault.end()
    await bucket.create("key", b"mine", write_id="same")
    with pytest.raises(KeyExistsError):
        await bucket.create("key", b"mine", write_id="another")


async def test_a_race_that_nobody_won_is_run_again(
    bucket: Bucket, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    conflict = (409, "ConditionalRequestConflict", "Two conditional writes met.")
    monkeypatch.setitem(faults._ANSWERS, Kind.ERROR, conflict)
    fault = store.fail(Kind.ERROR, is_put, times=2)
    await bucket.create("key", b"mine")
    assert len(fault.hits) == 2
    assert await bucket.get("key") == b"mine"


@pytest.mark.parametrize("kind", [Kind.ERROR, Kind.SLOW_DOWN, Kind.DROPPED, Kind.CUT])
async def test_what_fails_in_passing_is_tried_again(
    bucket: Bucket, store: FaultyStore, kind: Kind
) -> None:
    store.fail(kind, is_put, times=1, cut_after=1)
    await bucket.put("key", b"content")
    assert await bucket.get("key") == b"content"


async def test_a_dead_store_is_unavailable_until_it_is_back(
    bucket: Bucket, store: FaultyStore
) -> None:
    store.die()
    with pytest.raises(StorageUnavailableError):
        await bucket.put("key", b"content")
    store.revive()
    await bucket.put("key", b"content")


async def test_what_is_not_there_is_not_found(bucket: Bucket) -> None:
    for request in (bucket.head("key"), bucket.get("key")):
        with pytest.raises(RecordingNotFoundError):
            await request
    await bucket.delete(["key"])


async def test_more_keys_than_one_request_takes_are_deleted(
    bucket: Bucket, store: FaultyStore
) -> None:
    keys = [f"many/{number:04}" for number in range(1001)]
    for key in (keys[0], keys[999], keys[1000]):
        await bucket.put(key, b"")
    await bucket.delete(keys)
    assert await bucket.keys("") == []
    assert sum(map(is_a("DeleteObjects"), store.requests)) == 2


async def test_more_keys_than_one_answer_holds_are_listed_in_order(
    bucket: Bucket, store: FaultyStore
) -> None:
    keys = [f"many/{number:04}" for number in range(engines.MOTO_PAGE_KEYS + 1)]
    await asyncio.gather(*(bucket.put(key, b"") for key in keys))
    assert await bucket.keys("many/") == keys
    assert sum(map(is_a("List"), store.requests)) == 2


async def test_a_listing_begins_after_the_key_given(bucket: Bucket) -> None:
    for name in "abc":
        await bucket.put(f"list/{name}", b"")
    pages = [page async for page in bucket.pages("list/", start_after="list/a")]
    assert [listed.key for page in pages for listed in page] == ["list/b", "list/c"]


async def test_a_range_is_that_part_of_the_object(bucket: Bucket) -> None:
    await bucket.put("key", b"0123456789")
    assert await bucket.get("key", 2, 5) == b"234"
    assert await bucket.get("key", 5, 5) == b""


async def test_a_key_is_named_with_its_bucket_and_prefix(bucket: Bucket, prefix: str) -> None:
    assert re.fullmatch(f"s3://{engines.BUCKET}/{prefix}key", bucket.url("key"))
