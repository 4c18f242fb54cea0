"""The final WAV as a multipart upload whose first part goes last.

The first part holds the header, which says how long the audio is. All parts but the last
have the same size, as R2 wants it, and may arrive in any order (S3 API, "Multipart upload
overview").
"""

from storage.base import RecordingNotFoundError, StorageUnavailableError
from storage.s3.bucket import Bucket


class Upload:
    """Parts of one object. A part is put again where it is not known to be there."""

    def __init__(self, bucket: Bucket, key: str, upload_id: str, etags: dict[int, str]) -> None:
        self._bucket = bucket
        self._key = key
        self._upload_id = upload_id
        self._etags = etags

    @classmethod
    async def begin(cls, bucket: Bucket, key: str) -> "Upload":
        return cls(bucket, key, await bucket.begin_upload(key), {})

    @classmethod
    async def find(cls, bucket: Bucket, key: str, part_bytes: int) -> "Upload | None":
        """The upload that an earlier writer of ``key`` began, with its parts of full size.

        Others of the same key are aborted.
        """
        upload_ids = await bucket.uploads(key)
        if not upload_ids:
            return None
        for abandoned in upload_ids[1:]:
            await bucket.abort_upload(key, abandoned)
        parts = await bucket.parts(key, upload_ids[0])
        etags = {number: etag for number, etag, size_bytes in parts if size_bytes == part_bytes}
        return cls(bucket, key, upload_ids[0], etags)

    def has(self, number: int) -> bool:
        return number in self._etags

    async def put(self, number: int, body: bytes) -> None:
        """Part ``number``, counted from 1."""
        self._etags[number] = await self._bucket.put_part(self._key, self._upload_id, number, body)

    async def complete(self, size_bytes: int) -> None:
        """Make the object of all parts. Raises `StorageUnavailableError` unless it is whole."""
        parts = sorted(self._etags.items())
        try:
            await self._must_hold(parts, size_bytes)
            await self._bucket.complete_upload(self._key, self._upload_id, parts)
        except RecordingNotFoundError:
            # The answer to an earlier try was lost: then the object is there, and whole.
            if (await self._bucket.head(self._key)).size_bytes != size_bytes:
                raise

    async def _must_hold(self, parts: list[tuple[int, str]], size_bytes: int) -> None:
        """The store lists every part as it was put here.

        SeaweedFS lists one that was put twice as often.
        """
        listed = await self._bucket.parts(self._key, self._upload_id)
        found = {(number, etag): part_bytes for number, etag, part_bytes in listed}
        if sum(found.get(part, 0) for part in parts) != size_bytes:
            raise StorageUnavailableError(f"{self._key}: the store does not hold all its parts")

    async def abort(self) -> None:
        await self._bucket.abort_upload(self._key, self._upload_id)
