"""A storage in a bucket that fails on command."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from storage.s3 import BucketSettings, S3Storage, UploadSettings
from storage.s3.client.bucket import Bucket
from storage.s3.ownership.node import LeaseSettings
from tests.conftest import ManualClock
from tests.faults import FaultyStore, faulty_store
from tests.storage.conftest import bucket_settings

PART_BYTES = 8192
LEASE_SECONDS = 60

OpenS3 = Callable[[Path], S3Storage]


@pytest.fixture
def store(moto_url: str) -> Iterator[FaultyStore]:
    with faulty_store(moto_url) as store:
        yield store


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    return f"{tmp_path.name}/"


@pytest.fixture
def settings(store: FaultyStore, prefix: str) -> BucketSettings:
    """What fails fails at once: nothing is tried twice."""
    return msgspec.structs.replace(bucket_settings(store.url, prefix=prefix), max_attempts=1)


class KeptBucket(Bucket):
    """Opened once for all storages of a test: that takes longer than all they ask for."""

    async def start(self) -> None:
        if self._client is None:
            await super().start()

    async def stop(self) -> None:
        pass

    async def end(self) -> None:
        await super().stop()


@pytest.fixture
async def open_s3(
    settings: BucketSettings, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[OpenS3]:
    """Opens a storage with its spool in the folder given. Nothing is persisted by itself.

    What the bucket holds can be asked for even when the storage was stopped.
    """
    bucket = KeptBucket(settings)

    monkeypatch.setattr("storage.s3.storage.Bucket", lambda _: bucket)
    upload_settings = UploadSettings(segment_seconds=3600, part_bytes=PART_BYTES)
    lease_settings = LeaseSettings(
        address="http://node.example",
        lease_seconds=LEASE_SECONDS,
        now=clock.now,
        monotonic=clock.monotonic,
    )
    yield lambda folder: S3Storage(
        settings, folder, upload_settings, lease_settings, is_store_checked=True
    )
    await bucket.end()


@pytest.fixture
async def bucket(settings: BucketSettings) -> AsyncIterator[Bucket]:
    """Tries again what fails, as the service does."""
    bucket = Bucket(msgspec.structs.replace(settings, max_attempts=3))
    await bucket.start()
    yield bucket
    await bucket.stop()
