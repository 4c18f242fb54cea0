"""Each request to the store is reported once, with its operation, duration and failure."""

import pytest

from storage.errors import RecordingNotFoundError, StorageUnavailableError
from storage.s3.client.bucket import Bucket, BucketSettings, KeyExistsError
from tests import engines
from tests.faults import Kind, faulty_store
from tests.s3_requests import is_a
from tests.storage.reports import Reports


async def test_requests_and_failures_are_reported_and_expected_answers_are_no_failures(
    moto_url: str,
) -> None:
    reports = Reports()
    with faulty_store(moto_url) as store:
        settings = BucketSettings(
            bucket=engines.BUCKET,
            prefix="request-times/",
            endpoint_url=store.url,
            region="us-east-1",
            max_attempts=1,
        )
        bucket = Bucket(settings, observer=reports)
        await bucket.start()
        try:
            await bucket.create("a", b"1")
            with pytest.raises(KeyExistsError):
                await bucket.create("a", b"2")
            with pytest.raises(RecordingNotFoundError):
                await bucket.get("b")
            assert reports.failures == {}
            store.fail(Kind.ERROR, is_a("PutObject"), times=1)
            with pytest.raises(StorageUnavailableError):
                await bucket.put("a", b"3")
            store.fail(Kind.DROPPED, is_a("GetObject"))
            with pytest.raises(StorageUnavailableError):
                await bucket.get("a")
        finally:
            await bucket.stop()
    assert {name: len(times) for name, times in reports.requests_seconds.items()} == {
        "PutObject": 3,
        "HeadObject": 1,
        "GetObject": 2,
    }
    assert all(0 < each < 30 for times in reports.requests_seconds.values() for each in times)
    assert reports.failures == {"PutObject": 1, "GetObject": 1}
