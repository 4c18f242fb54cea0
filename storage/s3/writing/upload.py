"""The final WAV as a multipart upload whose first part is put last.

The first part holds the header, which says how long the audio is. All parts but the last
have the same size, as R2 wants it, and may arrive in any order (S3 API, "Multipart upload
overview").
"""

import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, NamedTuple

from storage.errors import RecordingNotFoundError, StorageUnavailableError
from storage.s3.client.bucket import Bucket

_PART_CHECKSUMS = {"ChecksumCRC32", "ChecksumSHA256"}
_NO_ALGORITHM = {None, "CRC64NVME"}  # AWS uses the latter if an upload names none


class _Part(NamedTuple):
    """A part as the store knows it: its ETag without quotes, and its checksum if it has one."""

    number: int
    identity: dict[str, str]
    size_bytes: int


class Upload:
    """Parts of one object. A part whose put failed must be put again."""

    def __init__(
        self, bucket: Bucket, key: str, upload_id: str, parts: dict[int, dict[str, str]]
    ) -> None:
        self._bucket = bucket
        self._key = key
        self._upload_id = upload_id
        self._parts = parts
        self._next_number = 2
        self._skip_put_parts()

    @classmethod
    async def create(cls, bucket: Bucket, key: str) -> "Upload":
        algorithm = bucket.upload_algorithm
        options: Any = {"ChecksumAlgorithm": algorithm} if algorithm else {}
        async with bucket.request(key) as client:
            answer = await client.create_multipart_upload(
                **bucket.object_parameters(key),
                **bucket.encryption_parameters(),
                **options,
                ContentType="audio/wav",
            )
        return cls(bucket, key, answer["UploadId"], {})

    @classmethod
    async def find(cls, bucket: Bucket, key: str, part_bytes: int) -> "Upload | None":
        """Return the newest upload of ``key``, with its parts of full size. None if there is none.

        Abort others of the same key, and those for parts with another checksum.
        """
        found = await _list_uploads(bucket, key)
        algorithm = bucket.upload_algorithm
        algorithms = {algorithm} if algorithm else _NO_ALGORITHM
        usable = [u["UploadId"] for u in found if u.get("ChecksumAlgorithm") in algorithms]
        for upload in found:
            if upload["UploadId"] not in usable[:1]:
                await cls(bucket, key, upload["UploadId"], {}).abort()
        if not usable:
            return None
        listed = await _list_parts(bucket, key, usable[0])
        parts = {part.number: part.identity for part in listed if part.size_bytes == part_bytes}
        return cls(bucket, key, usable[0], parts)

    def has_part(self, number: int) -> bool:
        return number in self._parts

    @property
    def next_number(self) -> int:
        """Return the number of the first part that is not put, not counting part 1."""
        return self._next_number

    async def put(self, number: int, body: bytes) -> None:
        """Put part ``number``, counted from 1."""
        async with self._bucket.request(self._key) as client:
            answer = await client.upload_part(
                **self._bucket.object_parameters(self._key),
                UploadId=self._upload_id,
                PartNumber=number,
                Body=body,
            )
        self._parts[number] = _identity(answer)
        self._skip_put_parts()

    async def complete(self, size_bytes: int) -> None:
        """Make the object of all parts. Raises `StorageUnavailableError` unless it is whole."""
        parts = sorted(self._parts.items())
        listed = [{"PartNumber": number, **identity} for number, identity in parts]
        try:
            await self._check_parts(parts, size_bytes)
            async with self._bucket.request(self._key) as client:
                await client.complete_multipart_upload(
                    **self._bucket.object_parameters(self._key),
                    UploadId=self._upload_id,
                    MultipartUpload={"Parts": listed},  # type: ignore[typeddict-item]
                )
        except RecordingNotFoundError:
            # If the answer to an earlier try was lost, the object exists and is whole.
            if (await self._bucket.head(self._key)).size_bytes != size_bytes:
                raise

    async def abort(self) -> None:
        """Abort the upload, if it exists."""
        with contextlib.suppress(RecordingNotFoundError):
            async with self._bucket.request(self._key) as client:
                await client.abort_multipart_upload(
                    **self._bucket.object_parameters(self._key), UploadId=self._upload_id
                )

    def _skip_put_parts(self) -> None:
        while self.has_part(self._next_number):
            self._next_number += 1

    async def _check_parts(self, parts: list[tuple[int, dict[str, str]]], size_bytes: int) -> None:
        """Raise `StorageUnavailableError` unless the store lists every part as it was put.

        SeaweedFS lists one that was put twice as often.
        """
        listed = await _list_parts(self._bucket, self._key, self._upload_id)
        found = {(part.number, part.identity["ETag"]): part.size_bytes for part in listed}
        sizes = (found.get((number, identity["ETag"]), 0) for number, identity in parts)
        if sum(sizes) != size_bytes:
            raise StorageUnavailableError(f"{self._key}: the store does not hold all its parts")


async def open_uploads(bucket: Bucket, key: str) -> list[str]:
    """Return the ids of the open uploads of ``key``, newest first."""
    return [upload["UploadId"] for upload in await _list_uploads(bucket, key)]


async def _list_uploads(bucket: Bucket, key: str) -> list[Any]:
    async with bucket.request(key) as client:
        answer = await client.list_multipart_uploads(
            Bucket=bucket.settings.bucket, Prefix=bucket.key(key)
        )
    found = [upload for upload in answer.get("Uploads", []) if upload["Key"] == bucket.key(key)]
    return sorted(found, key=lambda upload: upload["Initiated"], reverse=True)


async def list_all_uploads(bucket: Bucket) -> AsyncIterator[tuple[str, str, datetime]]:
    """Yield key, id and begin of each open upload of the bucket, or below its prefix."""
    options: Any = {}
    while True:
        async with bucket.request() as client:
            answer: Any = await client.list_multipart_uploads(
                Bucket=bucket.settings.bucket, Prefix=bucket.settings.prefix, **options
            )
        for upload in answer.get("Uploads", []):
            key = upload["Key"].removeprefix(bucket.settings.prefix)
            yield key, upload["UploadId"], upload["Initiated"]
        if not answer.get("IsTruncated") or not answer.get("NextKeyMarker"):
            return
        options = {
            "KeyMarker": answer["NextKeyMarker"],
            "UploadIdMarker": answer.get("NextUploadIdMarker", ""),
        }


async def uploaded_bytes(bucket: Bucket, key: str, upload_id: str) -> int:
    """Return the size of all parts of an upload, zero if it has ended."""
    with contextlib.suppress(RecordingNotFoundError):
        return sum(part.size_bytes for part in await _list_parts(bucket, key, upload_id))
    return 0


async def abort_uploads(bucket: Bucket, key: str) -> None:
    """Abort all uploads of ``key``."""
    for upload_id in await open_uploads(bucket, key):
        await Upload(bucket, key, upload_id, {}).abort()


async def _list_parts(bucket: Bucket, key: str, upload_id: str) -> list[_Part]:
    """Return every part that was put."""
    found: list[_Part] = []
    while True:
        async with bucket.request(key) as client:
            answer = await client.list_parts(
                **bucket.object_parameters(key),
                UploadId=upload_id,
                PartNumberMarker=found[-1].number if found else 0,
            )
        parts = answer.get("Parts", [])
        found += [_Part(part["PartNumber"], _identity(part), part["Size"]) for part in parts]
        if not answer.get("IsTruncated") or not parts:
            return found


def _identity(part: Any) -> dict[str, str]:
    """Return what the completion must name: AWS wants the checksum too, if the upload has one."""
    checksums = {name: value for name, value in part.items() if name in _PART_CHECKSUMS}
    return {"ETag": part["ETag"].strip('"'), **checksums}
