"""A small body is sent at once, a large one after the store has said that it wants it."""

import pytest

from storage.s3.client.bucket import Bucket, BucketSettings
from storage.s3.client.expectations import MOST_BYTES_AT_ONCE
from tests.faults import FaultyStore
from tests.s3_requests import is_a


@pytest.mark.parametrize(
    ("size_bytes", "is_asked"), [(MOST_BYTES_AT_ONCE, False), (MOST_BYTES_AT_ONCE + 1, True)]
)
async def test_the_store_is_asked_before_a_large_body_only(
    settings: BucketSettings, store: FaultyStore, size_bytes: int, is_asked: bool
) -> None:
    bucket = Bucket(settings)
    await bucket.start()
    try:
        await bucket.put("key", bytes(size_bytes))
        assert await bucket.get("key") == bytes(size_bytes)
    finally:
        await bucket.stop()
    (request,) = filter(is_a("PutObject"), store.requests)
    assert (request.headers.get("expect") == "100-continue") is is_asked
