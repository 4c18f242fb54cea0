"""One bucket (or a prefix of it), and the few requests the service makes of it.

Everything is an S3 API operation of 2006-03-01 that the engines agree on; where they do
not, the docstring says what is relied on. Requests are retried by botocore with jitter;
what fails for good is :class:`StorageUnavailableError`.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aioboto3
import msgspec
import uuid_utils.compat
from aiobotocore.config import AioConfig
from aiohttp import ClientError as ConnectionFailedError
from botocore.exceptions import BotoCoreError, ClientError

from storage.base import RecordingNotFoundError, StorageUnavailableError

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

logger = logging.getLogger(__name__)

_NOT_FOUND = {"NoSuchKey", "NoSuchUpload", "404", "NotFound"}
_EXISTS = {"PreconditionFailed", "412"}
# AWS answers so when two conditional writes meet: neither has won yet.
_RACED = {"ConditionalRequestConflict", "409"}
_DELETED_AT_ONCE = 1000
_WRITE_ID = "write-id"


class KeyExistsError(Exception):
    """Somebody else created the key first."""


class BucketSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the bucket is and how it is spoken to. Credentials come from the usual places."""

    bucket: str
    prefix: str = ""
    endpoint_url: str | None = None
    public_endpoint_url: str | None = None
    region: str | None = None
    path_style: bool = True
    encryption: str = ""
    encryption_key_id: str = ""
    max_requests: int = 32
    max_attempts: int = 5


class Listed(msgspec.Struct, frozen=True):
    """An object as a listing shows it; ``key`` is without the prefix."""

    key: str
    size_bytes: int
    modified_at: datetime


class Head(msgspec.Struct, frozen=True):
    """An object without its content. ``etag`` is without quotes."""

    size_bytes: int
    etag: str
    modified_at: datetime
    metadata: dict[str, str]


class Bucket:
    """The bucket. Open between :meth:`start` and :meth:`stop`; keys are without the prefix."""

    def __init__(self, settings: BucketSettings) -> None:
        self.settings = settings
        self._requests = asyncio.Semaphore(settings.max_requests)
        self._exit = contextlib.AsyncExitStack()
        self._client: S3Client | None = None

    async def start(self) -> None:
        settings = self.settings
        with _translated_errors():
            self._client = await self._exit.enter_async_context(
                aioboto3.Session().client(
                    "s3",
                    endpoint_url=settings.endpoint_url,
                    region_name=settings.region,
                    config=AioConfig(**client_options(settings)),
                )
            )

    async def stop(self) -> None:
        self._client = None
        await self._exit.aclose()

    @property
    def client(self) -> "S3Client":
        if self._client is None:
            raise StorageUnavailableError("the bucket is not open")
        return self._client

    def url(self, key: str) -> str:
        return f"s3://{self.settings.bucket}/{self.settings.prefix}{key}"

    async def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Bytes ``start`` to ``stop`` (exclusive). Raises :class:`RecordingNotFoundError`."""
        if stop is not None and stop <= start:
            return b""
        options: Any = {} if stop is None else {"Range": f"bytes={start}-{stop - 1}"}
        with _translated_errors(key):
            async with self._requests:
                answer = await self.client.get_object(**self._at(key), **options)
                async with answer["Body"] as body:
                    return await body.read()

    async def head(self, key: str) -> Head:
        """Raises :class:`RecordingNotFoundError`."""
        with _translated_errors(key):
            async with self._requests:
                answer = await self.client.head_object(**self._at(key))
        return Head(
            size_bytes=answer["ContentLength"],
            etag=answer["ETag"].strip('"'),
            modified_at=answer["LastModified"].astimezone(UTC),
            metadata=dict(answer["Metadata"]),
        )

    async def put(self, key: str, body: bytes, content_type: str = "binary/octet-stream") -> None:
        """Write ``key``, whatever was there."""
        with _translated_errors(key):
            async with self._requests:
                await self.client.put_object(
                    **self._at(key), **self._encrypted(), Body=body, ContentType=content_type
                )

    async def create(
        self,
        key: str,
        body: bytes,
        content_type: str = "binary/octet-stream",
        metadata: dict[str, str] | None = None,
        write_id: str = "",
    ) -> None:
        """Write a key that must not exist yet. Raises :class:`KeyExistsError`.

        The one condition that every engine honours under a race. A retried request may meet
        its own success: ``write_id`` in the metadata tells it from a stranger's. Who calls
        again after a failure, with the same content, gives the same one.
        """
        write_id = write_id or str(uuid_utils.compat.uuid7())
        with _translated_errors(key):
            for delay_seconds in (0.05, 0.2, 0.5, None):
                try:
                    async with self._requests:
                        await self.client.put_object(
                            **self._at(key), **self._encrypted(),
                            Body=body, ContentType=content_type, IfNoneMatch="*",
                            Metadata={**(metadata or {}), _WRITE_ID: write_id},
                        )  # fmt: skip
                    return
                except ClientError as error:
                    code = error.response["Error"]["Code"]
                    if code in _EXISTS and await self._is_ours(key, write_id):
                        return
                    if code in _EXISTS:
                        raise KeyExistsError(key) from error
                    if code not in _RACED or delay_seconds is None:
                        raise
                await asyncio.sleep(delay_seconds)

    async def delete(self, keys: list[str]) -> None:
        """Delete keys, existing or not."""
        for start in range(0, len(keys), _DELETED_AT_ONCE):
            objects = [{"Key": self._key(key)} for key in keys[start : start + _DELETED_AT_ONCE]]
            with _translated_errors():
                async with self._requests:
                    answer = await self.client.delete_objects(
                        Bucket=self.settings.bucket,
                        Delete={"Objects": objects, "Quiet": True},  # type: ignore[typeddict-item]
                    )
            if errors := answer.get("Errors"):
                raise StorageUnavailableError(f"could not be deleted: {errors[0]}")

    async def pages(self, prefix: str, *, start_after: str = "") -> AsyncIterator[list[Listed]]:
        """Keys below ``prefix``, page by page, each page in the order of its keys."""
        options: dict[str, Any] = {"StartAfter": self._key(start_after)} if start_after else {}
        while True:
            with _translated_errors():
                async with self._requests:
                    answer = await self.client.list_objects_v2(
                        Bucket=self.settings.bucket, Prefix=self._key(prefix), **options
                    )
            page = [
                Listed(item["Key"][len(self.settings.prefix) :], item["Size"], item["LastModified"])
                for item in answer.get("Contents", [])
            ]
            if page:
                # SeaweedFS sorts folder by folder, not byte by byte.
                yield sorted(page, key=lambda listed: listed.key)
            if not answer.get("IsTruncated"):
                return
            options = {"ContinuationToken": answer["NextContinuationToken"]}

    async def keys(self, prefix: str) -> list[str]:
        """All keys below ``prefix``."""
        return [listed.key async for page in self.pages(prefix) for listed in page]

    async def begin_upload(self, key: str) -> str:
        """Begin a multipart upload; gives its id."""
        with _translated_errors(key):
            async with self._requests:
                answer = await self.client.create_multipart_upload(
                    **self._at(key), **self._encrypted(), ContentType="audio/wav"
                )
        return answer["UploadId"]

    async def put_part(self, key: str, upload_id: str, number: int, body: bytes) -> str:
        """Put one part; gives its ETag."""
        with _translated_errors(key):
            async with self._requests:
                answer = await self.client.upload_part(
                    **self._at(key), UploadId=upload_id, PartNumber=number, Body=body
                )
        return answer["ETag"].strip('"')

    async def complete_upload(self, key: str, upload_id: str, parts: list[tuple[int, str]]) -> None:
        listed = [{"PartNumber": number, "ETag": etag} for number, etag in parts]
        with _translated_errors(key):
            async with self._requests:
                await self.client.complete_multipart_upload(
                    **self._at(key),
                    UploadId=upload_id,
                    MultipartUpload={"Parts": listed},  # type: ignore[typeddict-item]
                )

    async def abort_upload(self, key: str, upload_id: str) -> None:
        """Forget an upload, if it is there."""
        with contextlib.suppress(RecordingNotFoundError), _translated_errors(key):
            async with self._requests:
                await self.client.abort_multipart_upload(**self._at(key), UploadId=upload_id)

    async def uploads(self, key: str) -> list[str]:
        """Ids of the uploads of ``key`` that were neither completed nor aborted, newest first."""
        with _translated_errors(key):
            async with self._requests:
                answer = await self.client.list_multipart_uploads(
                    Bucket=self.settings.bucket, Prefix=self._key(key)
                )
        found = [u for u in answer.get("Uploads", []) if u["Key"] == self._key(key)]
        found.sort(key=lambda upload: upload["Initiated"], reverse=True)
        return [upload["UploadId"] for upload in found]

    async def parts(self, key: str, upload_id: str) -> list[tuple[int, str, int]]:
        """Number, ETag and size in bytes of every part that was put."""
        found: list[tuple[int, str, int]] = []
        marker = 0
        while True:
            with _translated_errors(key):
                async with self._requests:
                    answer = await self.client.list_parts(
                        **self._at(key), UploadId=upload_id, PartNumberMarker=marker
                    )
            parts = answer.get("Parts", [])
            found += [(p["PartNumber"], p["ETag"].strip('"'), p["Size"]) for p in parts]
            if not answer.get("IsTruncated") or not parts:
                return found
            marker = found[-1][0]

    async def _is_ours(self, key: str, write_id: str) -> bool:
        try:
            return (await self.head(key)).metadata.get(_WRITE_ID) == write_id
        except RecordingNotFoundError:
            return False

    def _key(self, key: str) -> str:
        return self.settings.prefix + key

    def _at(self, key: str) -> Any:
        return {"Bucket": self.settings.bucket, "Key": self._key(key)}

    def _encrypted(self) -> Any:
        if not self.settings.encryption:
            return {}
        options = {"ServerSideEncryption": self.settings.encryption}
        if self.settings.encryption_key_id:
            options["SSEKMSKeyId"] = self.settings.encryption_key_id
        return options


def client_options(settings: BucketSettings) -> dict[str, Any]:
    """What botocore's ``Config`` takes, for aioboto3 and boto3 alike."""
    return {
        "signature_version": "s3v4",
        "s3": {"addressing_style": "path" if settings.path_style else "virtual"},
        "retries": {"mode": "standard", "total_max_attempts": settings.max_attempts},
        "connect_timeout": 5,
        "read_timeout": 30,
        "max_pool_connections": settings.max_requests,
        # Not every engine takes the newer trailing checksums.
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
    }


@contextlib.contextmanager
def _translated_errors(key: str = "") -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in _NOT_FOUND:
            raise RecordingNotFoundError(key) from error
        raise StorageUnavailableError(str(error)) from error
    except (BotoCoreError, ConnectionFailedError, TimeoutError, OSError) as error:
        raise StorageUnavailableError(str(error) or type(error).__name__) from error
