"""Completed sessions of a bucket, for commands that copy them. See `storage.archive`."""

import contextlib
import math
from collections.abc import AsyncGenerator, AsyncIterator
from uuid import UUID

from storage import manifest as manifests
from storage.archive import Derived
from storage.details import DetailChanges
from storage.errors import BadObjectError, RecordingNotFoundError, StorageUnavailableError
from storage.manifest import Manifest
from storage.s3 import holds
from storage.s3.client.bucket import Bucket, BucketSettings, KeyExistsError
from storage.s3.client.credentials import Credentials, Keys
from storage.s3.keys import SessionKeys
from storage.s3.outbox import OutboxObjects
from storage.s3.reading.aged import sessions_below
from storage.s3.reading.audio import FinalObject
from storage.s3.writing.digest import put_waveform
from storage.s3.writing.manifests import change_details, read_current_manifest
from storage.s3.writing.upload import Upload, abort_uploads

_PART_BYTES = 8 * 1024 * 1024
_MAX_PARTS = 10_000  # S3 API, "Multipart upload limits"
_LAST_ID = UUID(int=2**128 - 1)


class AudioObject(FinalObject):
    """See `storage.archive.StoredAudio`."""

    def __init__(self, bucket: Bucket, key: str, size_bytes: int, etag: str) -> None:
        super().__init__(bucket, key, size_bytes, block_bytes=_PART_BYTES)
        self.etag: str | None = etag


class BucketArchive:
    """See `storage.archive.Archive`."""

    def __init__(self, bucket: Bucket, *, part_bytes: int = _PART_BYTES) -> None:
        """``part_bytes``: the size of the parts of an upload, unless it needs larger ones."""
        self._bucket = bucket
        self._part_bytes = part_bytes
        self.outbox = OutboxObjects(bucket)

    @property
    def name(self) -> str:
        endpoint_url = self._bucket.settings.endpoint_url
        place = f" at {endpoint_url.rstrip('/')}" if endpoint_url else ""
        return self._bucket.url("") + place

    async def session_ids(self) -> AsyncGenerator[list[UUID], None]:
        async with contextlib.aclosing(sessions_below(self._bucket, _LAST_ID)) as pages:
            async for page in pages:
                yield [each.session_id for each in page.sessions]

    async def manifest(self, session_id: UUID) -> Manifest:
        return await read_current_manifest(self._bucket, session_id)

    async def audio(self, manifest: Manifest) -> AudioObject:
        found = await self._object(SessionKeys.of(manifest).audio)
        if found.size_bytes != manifest.size_bytes:
            raise BadObjectError(
                f"{manifest.session_id}: the audio has {found.size_bytes} bytes, and "
                f"{manifest.size_bytes} in its manifest"
            )
        return found

    async def derived(self, manifest: Manifest) -> Derived:
        session = SessionKeys.of(manifest)
        return Derived(
            waveform=await self._get_if_there(session.peaks),
            block_digests=await self._get_if_there(session.blocks),
            timeline=await self._get_if_there(session.timeline),
        )

    async def _get_if_there(self, key: str) -> bytes | None:
        with contextlib.suppress(RecordingNotFoundError):
            return await self._bucket.get(key)
        return None

    async def put_audio(self, manifest: Manifest, audio: AsyncIterator[bytes]) -> AudioObject:
        key = SessionKeys.of(manifest).audio
        part_bytes = max(self._part_bytes, math.ceil(manifest.size_bytes / _MAX_PARTS))
        await abort_uploads(self._bucket, key)  # of a copy that was interrupted
        if manifest.size_bytes <= part_bytes:
            body = b"".join([block async for block in audio])
            await self._bucket.put(key, body, "audio/wav")
        else:
            await self._upload(key, _parts(audio, part_bytes), manifest.size_bytes)
        return await self._object(key)

    async def add(self, manifest: Manifest, audio: AudioObject, derived: Derived) -> None:
        del audio  # it has its key already
        session = SessionKeys.of(manifest)
        if derived.waveform is not None:
            await put_waveform(self._bucket, session, derived.waveform)
        if derived.block_digests is not None:
            await self._bucket.put(session.blocks, derived.block_digests)
        if derived.timeline is not None:
            await self._bucket.put(session.timeline, derived.timeline, "application/json")
        for key in session.index_of(manifest):
            await self._bucket.put(key, b"")
        # An earlier session of this id may have been deleted, and its deletion killed at the end.
        await self._bucket.delete([session.details, session.claim])
        if manifest.hold:
            await holds.hold(self._bucket, session)
        encoded = manifests.encode(manifest)
        try:
            await self._bucket.create(session.manifest, encoded, "application/json")
        except KeyExistsError as error:
            raise StorageUnavailableError(f"{session.manifest} was created meanwhile") from error

    async def change(self, manifest: Manifest, changes: DetailChanges) -> None:
        await change_details(self._bucket, manifest, changes)

    async def discard(self, manifest: Manifest, audio: AudioObject) -> None:
        del audio
        session = SessionKeys.of(manifest)
        with contextlib.suppress(RecordingNotFoundError):
            await self._bucket.head(session.manifest)
            return  # another copy of the same session was faster
        await self._bucket.delete(
            [
                *(session.audio, session.peaks, session.blocks, session.timeline, session.claim),
                *session.index_of(manifest),
            ]
        )

    async def _upload(self, key: str, parts: AsyncIterator[bytes], size_bytes: int) -> None:
        upload = await Upload.create(self._bucket, key)
        try:
            number = 1
            async for part in parts:
                await upload.put(number, part)
                number += 1
            await upload.complete(size_bytes)
        except BaseException:
            with contextlib.suppress(StorageUnavailableError):
                await upload.abort()
            raise

    async def _object(self, key: str) -> AudioObject:
        head = await self._bucket.head(key)
        return AudioObject(self._bucket, key, head.size_bytes, head.etag)


@contextlib.asynccontextmanager
async def open_archive(
    settings: BucketSettings, keys: Keys | None = None
) -> AsyncIterator[BucketArchive]:
    """Open a bucket without being a node of the service.

    ``keys`` sign the requests; None: those that AWS tools would use.
    """
    bucket = Bucket(settings, credentials=Credentials(lambda: keys) if keys else None)
    await bucket.start()
    try:
        yield BucketArchive(bucket)
    finally:
        await bucket.stop()


async def _parts(blocks: AsyncIterator[bytes], part_bytes: int) -> AsyncIterator[bytes]:
    """Yield the same bytes in parts of one size, the last one shorter."""
    part = bytearray()
    async for block in blocks:
        part += block
        while len(part) >= part_bytes:
            yield bytes(part[:part_bytes])
            del part[:part_bytes]
    if part:
        yield bytes(part)
