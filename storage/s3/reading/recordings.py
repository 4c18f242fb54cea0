"""The recordings of a bucket, for an operator; services may run."""

import contextlib
from collections.abc import AsyncIterator
from uuid import UUID

from storage.errors import RecordingNotFoundError
from storage.manifest import Manifest
from storage.s3.client.bucket import Bucket, BucketSettings
from storage.s3.keys import SessionKeys
from storage.s3.reading.aged import sessions_below
from storage.s3.reading.audio import FinalObject
from storage.s3.writing.manifests import read_current_manifest

_LAST = UUID(int=2**128 - 1)


@contextlib.asynccontextmanager
async def open_recordings(settings: BucketSettings) -> AsyncIterator["BucketRecordings"]:
    """Give the recordings of the bucket to an operator."""
    bucket = Bucket(settings)
    await bucket.start()
    try:
        yield BucketRecordings(bucket)
    finally:
        await bucket.stop()


class BucketRecordings:
    """See `storage.verification.StoredRecordings`."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def sessions(self) -> AsyncIterator[UUID]:
        async for page in sessions_below(self._bucket, _LAST):
            for each in page.sessions:
                yield each.session_id

    async def manifest(self, session_id: UUID) -> Manifest:
        return await read_current_manifest(self._bucket, session_id)

    async def audio(self, session_id: UUID) -> FinalObject:
        key = SessionKeys(session_id).audio
        size_bytes = (await self._bucket.head(key)).size_bytes
        return FinalObject(self._bucket, key, size_bytes)

    async def blocks(self, session_id: UUID) -> bytes:
        return await self._get_if_there(SessionKeys(session_id).blocks)

    async def timeline(self, session_id: UUID) -> bytes:
        return await self._get_if_there(SessionKeys(session_id).timeline)

    async def _get_if_there(self, key: str) -> bytes:
        try:
            return await self._bucket.get(key)
        except RecordingNotFoundError:
            return b""
