"""One bucket (or a prefix of it), and the few requests the service makes of it.

Everything is an S3 API operation of 2006-03-01 that the engines agree on; where they do
not, the docstring says what is relied on. botocore retries requests with
jitter; a request that fails nevertheless raises :class:`StorageUnavailableError`.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import aioboto3
import aiobotocore.session
import botocore
import msgspec
import uuid_utils.compat
from aiobotocore.config import AioConfig
from aiohttp import ClientError as ConnectionFailedError
from botocore.exceptions import BotoCoreError, ClientError

from storage.errors import RecordingNotFoundError, StorageUnavailableError
from storage.observer import IGNORE, Observer
from storage.retry import Backoff, retry
from storage.s3.client.checksums import (
    Checksum,
    add_checksums,
    set_default_calculation,
    upload_algorithm,
)
from storage.s3.client.credentials import Credentials
from storage.s3.client.deletions import Deletions
from storage.s3.client.endpoint_rules import trim_endpoint_rules
from storage.s3.client.expectations import send_small_bodies_at_once
from storage.s3.client.request_times import observe_requests
from storage.skipped import SkippedObjects

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

logger = logging.getLogger(__name__)

_NOT_FOUND = {"NoSuchKey", "NoSuchUpload", "404", "NotFound"}
_EXISTS = {"PreconditionFailed", "412"}
# AWS answers so when two conditional writes meet: neither has won yet.
_RACED = {"ConditionalRequestConflict", "409"}
_RACE_BACKOFF = Backoff(first_seconds=0.05, max_seconds=0.5, factor=3, retries=3)
_CHECKSUM_MESSAGE = re.compile(r"(?i)content-?md5|checksum")
_WRITE_ID = "write-id"
_USER_AGENT = f"sercuescribe/{version('sercuescribe')} botocore/{botocore.__version__}"
# A client without keys searches for some once and for all; `Credentials` signs each request.
_PLACEHOLDERS = ("unused", "unused")


class KeyExistsError(Exception):
    """Another writer created the key first."""


class _RacedError(StorageUnavailableError):
    """Two conditional writes of one key met, and neither has won."""


class BucketSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the bucket is and how to use it."""

    bucket: str
    prefix: str = ""
    endpoint_url: str | None = None
    public_endpoint_url: str | None = None
    region: str | None = None
    path_style: bool = True
    encryption: str = ""
    encryption_key_id: str = ""
    checksum: Checksum = ""
    delete_versions: bool = False
    max_requests: int = 32
    max_attempts: int = 5


class ListedObject(msgspec.Struct, frozen=True):
    """An object in a listing. ``key`` is without the prefix, ``etag`` without quotes."""

    key: str
    size_bytes: int
    modified_at: datetime
    etag: str = ""


class Listing(msgspec.Struct, frozen=True):
    """The answer to one request for a listing.

    ``folders`` are the prefixes that a delimiter has rolled up, in the order of the store.
    """

    objects: list[ListedObject]
    folders: list[str]
    answered_at: datetime | None = None  # the store's own time


class ObjectHead(msgspec.Struct, frozen=True):
    """The metadata of an object. ``etag`` is without quotes."""

    size_bytes: int
    etag: str
    modified_at: datetime
    metadata: dict[str, str]


class Bucket:
    """The bucket. Open between :meth:`start` and :meth:`stop`; keys are without the prefix."""

    def __init__(
        self,
        settings: BucketSettings,
        credentials: Credentials | None = None,
        observer: Observer = IGNORE,
    ) -> None:
        self.settings = settings
        self._observer = observer
        self.credentials = credentials or Credentials()
        self.skipped = SkippedObjects()
        self._requests = asyncio.Semaphore(settings.max_requests)
        self._exit = contextlib.AsyncExitStack()
        self._client: S3Client | None = None
        self._deletions = Deletions(settings.bucket, self.request)

    async def start(self) -> None:
        settings = self.settings
        session = aiobotocore.session.get_session()
        set_default_calculation(session)
        trim_endpoint_rules(session)
        with _translated_errors():
            self._client = await self._exit.enter_async_context(
                aioboto3.Session(*_PLACEHOLDERS, botocore_session=session).client(
                    "s3",
                    endpoint_url=settings.endpoint_url,
                    region_name=settings.region,
                    config=AioConfig(**client_options(settings)),
                )
            )
        self.credentials.sign_requests_of(self._client)
        add_checksums(self._client, settings.checksum)
        send_small_bodies_at_once(self._client)
        observe_requests(self._client, self._observer)

    async def stop(self) -> None:
        self._client = None
        await self._exit.aclose()
        await self.credentials.stop()

    @property
    def client(self) -> "S3Client":
        if self._client is None:
            raise StorageUnavailableError("the bucket is not open")
        return self._client

    @property
    def upload_algorithm(self) -> str | None:
        """Return the algorithm of the checksums of parts, None if parts have no such checksums."""
        return upload_algorithm(self.client, self.settings.checksum)

    def url(self, key: str) -> str:
        return f"s3://{self.settings.bucket}/{self.settings.prefix}{key}"

    def key(self, key: str) -> str:
        """Return the key in the bucket, with the prefix."""
        return self.settings.prefix + key

    def object_parameters(self, key: str) -> Any:
        """Return the parameters of a request that name an object."""
        return {"Bucket": self.settings.bucket, "Key": self.key(key)}

    def encryption_parameters(self) -> Any:
        """Return the parameters of a write that request encryption."""
        if not self.settings.encryption:
            return {}
        options = {"ServerSideEncryption": self.settings.encryption}
        if self.settings.encryption_key_id:
            options["SSEKMSKeyId"] = self.settings.encryption_key_id
        return options

    @contextlib.asynccontextmanager
    async def request(self, key: str = "") -> "AsyncIterator[S3Client]":
        """Give the client for one request, within the limit of requests. Translate its errors."""
        with _translated_errors(key):
            async with self._requests:
                yield self.client

    async def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes ``start`` to ``stop`` (exclusive). Raises `RecordingNotFoundError`."""
        if stop is not None and stop <= start:
            return b""
        options: Any = {} if stop is None else {"Range": f"bytes={start}-{stop - 1}"}
        async with self.request(key) as client:
            answer = await client.get_object(**self.object_parameters(key), **options)
            async with answer["Body"] as body:
                return await body.read()

    async def head(self, key: str) -> ObjectHead:
        """Return the metadata of an object. Raises :class:`RecordingNotFoundError`."""
        async with self.request(key) as client:
            answer = await client.head_object(**self.object_parameters(key))
        return ObjectHead(
            size_bytes=answer["ContentLength"],
            etag=answer["ETag"].strip('"'),
            modified_at=answer["LastModified"].astimezone(UTC),
            metadata=dict(answer["Metadata"]),
        )

    async def put(self, key: str, body: bytes, content_type: str = "binary/octet-stream") -> None:
        """Write ``key``, whether it exists or not."""
        async with self.request(key) as client:
            await client.put_object(
                **self.object_parameters(key),
                **self.encryption_parameters(),
                Body=body,
                ContentType=content_type,
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

        The one condition that every engine honours under a race. A retried request may find
        its own object: ``write_id`` in the metadata tells it from another writer's. A caller
        that repeats the call after a failure must pass the same content and ``write_id``.
        """
        write_id = write_id or str(uuid_utils.compat.uuid7())
        kept = {**(metadata or {}), _WRITE_ID: write_id}

        async def create() -> None:
            try:
                async with self._requests:
                    await self.client.put_object(
                        **self.object_parameters(key), **self.encryption_parameters(),
                        Body=body, ContentType=content_type, IfNoneMatch="*", Metadata=kept,
                    )  # fmt: skip
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code in _RACED:
                    raise _RacedError(str(error)) from error
                if code not in _EXISTS:
                    raise
                if not await self._was_written_by(key, write_id):
                    raise KeyExistsError(key) from error

        with _translated_errors(key):
            await retry(create, on=_RacedError, delays=_RACE_BACKOFF.delays())

    async def delete(self, keys: list[str], *, keep_versions: bool = False) -> None:
        """Delete keys, existing or not.

        With `BucketSettings.delete_versions` also remove their versions, at the cost of one LIST
        per key, unless ``keep_versions``. If the store refuses that, the versions stay, and the
        keys are deleted nevertheless.
        Raises `StorageUnavailableError` after it has tried all keys.
        """
        if not self.settings.delete_versions or keep_versions:
            await self._deletions.delete([self.key(key) for key in keys])
            return
        for key in keys:
            await self._deletions.delete_versions(self.key(key), is_prefix=False)

    async def delete_below(self, prefix: str) -> None:
        """Delete all keys below ``prefix``, with their versions as `delete` does.

        What the store refuses to delete stays. Each reason is logged once.
        """
        if self.settings.delete_versions:
            await self._deletions.delete_versions(self.key(prefix), is_prefix=True)
            return
        keys = [self.key(key) for key in await self.keys(prefix)]
        await self._deletions.delete(keys, is_refusal_allowed=True)

    async def listings(
        self, prefix: str, *, start_after: str = "", delimiter: str = "", max_keys: int = 0
    ) -> AsyncIterator[Listing]:
        """Yield the answers to the requests that list ``prefix``, each sorted by key.

        With a ``delimiter``, keys that have it behind ``prefix`` are rolled up to `folders`.
        ``max_keys`` 0: as many to an answer as the store gives.
        """
        options: dict[str, Any] = {"StartAfter": self.key(start_after)} if start_after else {}
        if delimiter:
            options["Delimiter"] = delimiter
        if max_keys:
            options["MaxKeys"] = max_keys
        while True:
            async with self.request() as client:
                answer = await client.list_objects_v2(
                    Bucket=self.settings.bucket, Prefix=self.key(prefix), **options
                )
            own_prefix_length = len(self.settings.prefix)
            objects = [
                ListedObject(
                    item["Key"][own_prefix_length:],
                    item["Size"],
                    item["LastModified"],
                    item.get("ETag", "").strip('"'),
                )
                for item in answer.get("Contents", [])
            ]
            yield Listing(
                # SeaweedFS sorts folder by folder, not byte by byte.
                sorted(objects, key=lambda listed: listed.key),
                [item["Prefix"][own_prefix_length:] for item in answer.get("CommonPrefixes", [])],
                _date(answer["ResponseMetadata"]["HTTPHeaders"]),
            )
            if not answer.get("IsTruncated"):
                return
            options.pop("StartAfter", None)
            options["ContinuationToken"] = answer["NextContinuationToken"]

    async def pages(
        self, prefix: str, *, start_after: str = ""
    ) -> AsyncIterator[list[ListedObject]]:
        """Yield the objects below ``prefix`` page by page, each page sorted by key."""
        async for listing in self.listings(prefix, start_after=start_after):
            if listing.objects:
                yield listing.objects

    async def keys(self, prefix: str) -> list[str]:
        """Return all keys below ``prefix``."""
        return [listed.key async for page in self.pages(prefix) for listed in page]

    async def _was_written_by(self, key: str, write_id: str) -> bool:
        try:
            return (await self.head(key)).metadata.get(_WRITE_ID) == write_id
        except RecordingNotFoundError:
            return False


def client_options(settings: BucketSettings) -> dict[str, Any]:
    """Return the parameters of botocore's ``Config``, for aioboto3 and boto3."""
    return {
        "signature_version": "s3v4",
        "s3": {"addressing_style": "path" if settings.path_style else "virtual"},
        "retries": {"mode": "standard", "total_max_attempts": settings.max_attempts},
        "connect_timeout": 5,
        "read_timeout": 30,
        "max_pool_connections": settings.max_requests,
        "response_checksum_validation": "when_required",
        "parameter_validation": False,  # a tenth of the CPU of a put
        # The log of the store names the service. botocore's own text is built for each request.
        "user_agent": _USER_AGENT,
    }


def _date(headers: Mapping[str, str]) -> datetime | None:
    """Return the ``Date`` of an answer (RFC 9110, section 6.6.1); None without a valid one."""
    try:
        return parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        return None


@contextlib.contextmanager
def _translated_errors(key: str = "") -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in _NOT_FOUND:
            raise RecordingNotFoundError(key) from error
        is_about_checksum = _CHECKSUM_MESSAGE.search(str(error)) is not None
        hint = "; S3_CHECKSUM selects the checksum of writes" if is_about_checksum else ""
        raise StorageUnavailableError(f"{error}{hint}") from error
    except (BotoCoreError, ConnectionFailedError, TimeoutError, OSError) as error:
        raise StorageUnavailableError(str(error) or type(error).__name__) from error
