"""Archives on every kind of storage, with the storage of the service on the same files."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from storage.archive import AnyArchive
from storage.base import Storage
from storage.local import FolderArchive, LocalStorage
from storage.manifest import Manifest
from storage.s3 import BucketSettings, S3Storage, UploadSettings
from storage.s3.admin.archive import BucketArchive
from storage.s3.client.bucket import Bucket
from tests.storage.conftest import bucket_settings, new_manifest
from tests.storage.test_conformance import LATER, append

_SELDOM_SECONDS = 3600


class Place(NamedTuple):
    """A folder, or with ``settings`` a bucket whose spool is in the folder."""

    folder: Path
    settings: BucketSettings | None = None
    part_bytes: int = 8 * 1024 * 1024

    @contextlib.asynccontextmanager
    async def archive(self) -> AsyncIterator[AnyArchive]:
        if self.settings is None:
            archive = FolderArchive(self.folder)
            archive.create()
            yield archive
            return
        bucket = Bucket(self.settings)
        await bucket.start()
        yield BucketArchive(bucket, part_bytes=self.part_bytes)
        await bucket.stop()

    @contextlib.asynccontextmanager
    async def storage(self) -> AsyncIterator[Storage]:
        """Run the storage as the service does."""
        storage: Storage = (
            LocalStorage(self.folder, sync_interval_seconds=_SELDOM_SECONDS)
            if self.settings is None
            else S3Storage(
                self.settings,
                self.folder,
                UploadSettings(segment_seconds=_SELDOM_SECONDS),
                is_store_checked=True,
            )
        )
        await storage.start()
        yield storage
        await storage.stop()


def place(kind: str, request: pytest.FixtureRequest, folder: Path) -> Place:
    """Return a new folder, or a new prefix in the bucket of an engine."""
    if kind == "local":
        return Place(folder)
    url = request.getfixturevalue(f"{kind}_url")
    settings = bucket_settings(url, prefix=f"{folder.parent.name}/{folder.name}/")
    # Real stores demand parts of 5 MiB, moto less.
    return Place(folder, settings, 5 * 1024 * 1024 if kind == "seaweedfs" else 4096)


async def record(storage: Storage, pcm: bytes, **fields: object) -> Manifest:
    """Record and complete a session."""
    recording = await storage.create(new_manifest(**fields))
    append(recording, pcm)
    return await recording.complete(LATER)
