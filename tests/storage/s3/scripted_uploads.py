"""Multipart uploads in memory, with the interface of aiobotocore's client."""

# ruff: noqa: N803 - parameter names of the S3 API

import hashlib
import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from storage.errors import RecordingNotFoundError, StorageUnavailableError

_THEN = datetime(2026, 1, 1, tzinfo=UTC)

Ask = Callable[[Callable[[], Any], str], Awaitable[Any]]  # operation, written key


class Uploads:
    """The open uploads, with their keys and their parts by number."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[str, dict[int, bytes]]] = {}
        self._ids = itertools.count()

    def begin(self, key: str) -> str:
        upload_id = str(next(self._ids))
        self._open[upload_id] = key, {}
        return upload_id

    def of(self, key: str) -> list[str]:
        return [upload_id for upload_id, (owner, _) in self._open.items() if owner == key]

    def parts(self, upload_id: str) -> dict[int, bytes]:
        if upload_id not in self._open:
            raise RecordingNotFoundError(upload_id)
        return self._open[upload_id][1]

    def put(self, upload_id: str, number: int, body: bytes) -> str:
        self.parts(upload_id)[number] = body
        return etag(body)

    def take(self, upload_id: str, wanted: list[tuple[int, str]]) -> bytes:
        """End the upload and return the object made of the parts ``wanted``."""
        parts = self.parts(upload_id)
        if any(number not in parts or etag(parts[number]) != tag for number, tag in wanted):
            raise StorageUnavailableError("InvalidPart")
        self.abort(upload_id)
        return b"".join(parts[number] for number, _ in wanted)

    def abort(self, upload_id: str) -> None:
        if self._open.pop(upload_id, None) is None:
            raise RecordingNotFoundError(upload_id)


class UploadClient:
    def __init__(self, uploads: Uploads, put: Callable[[str, bytes], None], ask: Ask) -> None:
        self._uploads = uploads
        self._put = put
        self._ask = ask

    async def create_multipart_upload(self, *, Key: str, **_: Any) -> Any:
        return {"UploadId": await self._ask(lambda: self._uploads.begin(Key), Key)}

    async def upload_part(
        self,
        *,
        Key: str,
        UploadId: str,
        PartNumber: int,
        Body: bytes,
    ) -> Any:
        tag = await self._ask(lambda: self._uploads.put(UploadId, PartNumber, Body), Key)
        return {"ETag": f'"{tag}"'}

    async def complete_multipart_upload(
        self,
        *,
        Key: str,
        UploadId: str,
        MultipartUpload: Any,
    ) -> None:
        wanted = [(part["PartNumber"], part["ETag"]) for part in MultipartUpload["Parts"]]
        await self._ask(lambda: self._put(Key, self._uploads.take(UploadId, wanted)), Key)

    async def abort_multipart_upload(self, *, UploadId: str, **_: Any) -> None:
        await self._ask(lambda: self._uploads.abort(UploadId), "")

    async def list_multipart_uploads(self, *, Prefix: str, **_: Any) -> Any:
        found = await self._ask(lambda: self._uploads.of(Prefix), "")
        return {
            "Uploads": [
                {"UploadId": each, "Key": Prefix, "Initiated": _THEN + timedelta(int(each))}
                for each in found
            ]
        }

    async def list_parts(
        self,
        *,
        UploadId: str,
        PartNumberMarker: int,
        **_: Any,
    ) -> Any:
        parts = await self._ask(lambda: dict(self._uploads.parts(UploadId)), "")
        return {
            "Parts": [
                {"PartNumber": number, "ETag": f'"{etag(body)}"', "Size": len(body)}
                for number, body in sorted(parts.items())
                if number > PartNumberMarker
            ]
        }


def etag(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()
