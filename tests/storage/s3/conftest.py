"""Fixtures: a storage in a bucket whose requests can be made to fail."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from storage.manifest import Manifest
from storage.s3 import BucketSettings, S3Storage, UploadSettings
from storage.s3.client.bucket import Bucket
from storage.s3.keys import NODES
from storage.s3.ownership.peers import LeaseSettings
from storage.s3.writing.recording import S3Recording
from storage.worker import Worker
from tests.audio import pcm
from tests.conftest import ManualClock
from tests.faults import FaultyStore, faulty_store
from tests.storage.conftest import bucket_settings, new_manifest
from tests.storage.test_conformance import append

PART_BYTES = 8192
LEASE_SECONDS = 60

RATE = 16000  # that of `new_manifest`
AUDIO = pcm(1000)
LONG_AUDIO = pcm(20_000)  # several parts, the last one incomplete

OpenS3 = Callable[..., S3Storage]


@pytest.fixture
def store(moto_url: str) -> Iterator[FaultyStore]:
    with faulty_store(moto_url) as store:
        yield store


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    return f"{tmp_path.name}/"


@pytest.fixture
def settings(store: FaultyStore, prefix: str) -> BucketSettings:
    """Settings without retries, so that a fault is visible at once."""
    return msgspec.structs.replace(bucket_settings(store.url, prefix=prefix), max_attempts=1)


class KeptBucket(Bucket):
    """A bucket that all storages of a test share, because opening a client is slow."""

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
    """Return a function that opens a storage with its spool in the given folder.

    It takes other `UploadSettings` by name. Only a call of the test persists anything. The bucket
    stays usable after the storage has stopped.
    """
    bucket = KeptBucket(settings)

    monkeypatch.setattr("storage.s3.storage.Bucket", lambda _, **__: bucket)
    upload_settings = UploadSettings(segment_seconds=3600, part_bytes=PART_BYTES)
    lease_settings = LeaseSettings(
        address="http://node.example",
        lease_seconds=LEASE_SECONDS,
        sweeps=True,
        now=clock.now,
        monotonic=clock.monotonic,
    )

    def open_storage(folder: Path, worker: Worker | None = None, **others: Any) -> S3Storage:
        uploading = msgspec.structs.replace(upload_settings, **others)
        return S3Storage(
            settings, folder, uploading, lease_settings, is_store_checked=True, worker=worker
        )

    yield open_storage
    await bucket.end()


@pytest.fixture
async def bucket(settings: BucketSettings) -> AsyncIterator[Bucket]:
    """A bucket with retries, like that of the service."""
    async with opened_bucket(msgspec.structs.replace(settings, max_attempts=3)) as bucket:
        yield bucket


@pytest.fixture
async def writer(open_s3: OpenS3, tmp_path: Path) -> AsyncIterator[S3Storage]:
    storage = open_s3(tmp_path / "writer")
    await storage.start()
    yield storage
    await storage.stop()


@pytest.fixture
async def reader(open_s3: OpenS3, tmp_path: Path) -> AsyncIterator[S3Storage]:
    """The storage of another node."""
    storage = open_s3(tmp_path / "reader")
    await storage.start()
    yield storage
    await storage.stop()


@pytest.fixture
async def recording(writer: S3Storage) -> S3Recording:
    """An active recording with persisted and unpersisted audio."""
    recording = await writer.create(new_manifest())
    append(recording, AUDIO[:1200])
    await recording.flush()
    append(recording, AUDIO[1200:])
    return recording


async def abandoned_session(open_s3: OpenS3, folder: Path, clock: ManualClock) -> UUID:
    """Return a session with half of `LONG_AUDIO`, in several segments, whose node has died."""
    storage = open_s3(folder)
    await storage.start()
    recording = await storage.create(new_manifest())
    for start in range(0, 20_000, 2500):
        append(recording, LONG_AUDIO[start : start + 2500])
        await recording.upload()
    recording.abandon()
    node_id = storage._node.node_id
    await storage.stop()
    # It has removed this object, if the store was quick enough.
    await storage._bucket.delete([NODES + node_id], keep_versions=True)
    clock.seconds += LEASE_SECONDS + 1
    return UUID(recording.manifest.session_id)


@contextlib.asynccontextmanager
async def opened_bucket(settings: BucketSettings) -> AsyncIterator[Bucket]:
    bucket = Bucket(settings)
    await bucket.start()
    try:
        yield bucket
    finally:
        await bucket.stop()


async def expire_lease(clock: ManualClock, observer: S3Storage) -> None:
    """Let a lease pass in which only ``observer`` renews its own."""
    await observer._node.peers.refresh()
    clock.seconds += LEASE_SECONDS + 1
    await observer._node._renew()


async def manifest_of(storage: S3Storage, recording: S3Recording) -> Manifest:
    return await storage.manifest(UUID(recording.manifest.session_id))


async def peaks_of(storage: S3Storage, session_id: UUID) -> bytes:
    return (await (await storage.audio(await storage.manifest(session_id))).peaks()).encode()


def operations(store: FaultyStore, since: int) -> Counter[str]:
    """Count the requests after the first ``since``."""
    return Counter(request.operation for request in store.requests[since:])
