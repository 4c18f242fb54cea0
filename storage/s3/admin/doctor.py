"""Tries on a real bucket what recording into it rests on, and says what to do where it fails.

A *needed* check that fails means that audio would be lost or unreachable. The others tell
what is missing for comfort: links for a page, tidying up after a crash.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import msgspec
import uuid_utils.compat

from storage.base import Finding, Outcome
from storage.errors import RecordingNotFoundError, StorageError, StorageUnavailableError
from storage.s3.admin.configuration import (
    PROBES,
    FailedCheckError,
    answer_of,
    check_lifecycle,
    check_object_lock,
    check_versions,
)
from storage.s3.client.bucket import Bucket, BucketSettings, KeyExistsError
from storage.s3.client.checksums import CHECKSUMS
from storage.s3.client.presigner import Presigner
from storage.s3.writing.upload import Upload

_RACERS = 16
_MAX_SKEW_SECONDS = 60
_LAST_PART_BYTES = 4096
_LINK_SECONDS = 60
_RESPONSE_SECONDS = 15

_OBJECTS, _MULTIPART = "put, get, list, delete", "multipart, first part last"

_POLICY = "infra/iam-policy.json"
_INIT = "`sercuescribe bucket init` sets it"
_UNREACHABLE = (
    "check S3_ENDPOINT_URL, S3_BUCKET, S3_REGION and the AWS_* credentials;"
    " `sercuescribe bucket init` creates a bucket"
)
_NO_MULTIPART = f"grant the multipart actions of {_POLICY}, or try another S3_PART_SIZE_MB"
_NO_LINK = "set S3_PUBLIC_ENDPOINT_URL to an address of the store that clients reach"


async def examine(settings: BucketSettings, part_bytes: int, origin: str) -> AsyncIterator[Finding]:
    """Yield the result of each check. ``origin`` is that of a page that fetches recordings."""
    bucket = Bucket(settings)
    await bucket.start()
    try:
        async for finding in _Doctor(bucket, Presigner(settings), part_bytes, origin).examine():
            yield finding
    finally:
        await bucket.stop()


async def check_create_once(bucket: Bucket, racers: int) -> str:
    """Let writers race for one key. Raises `StorageUnavailableError` unless exactly one wins."""
    key = f"{PROBES}{uuid_utils.compat.uuid7()}"
    bodies = [b"writer %d" % number for number in range(racers)]
    try:
        ends = await asyncio.gather(
            *(bucket.create(key, body) for body in bodies), return_exceptions=True
        )
        winners = [body for body, end in zip(bodies, ends, strict=True) if end is None]
        failures = [e for e in ends if e is not None and not isinstance(e, KeyExistsError)]
        if failures:
            raise failures[0]
        if len(winners) != 1 or await bucket.get(key) != winners[0]:
            raise StorageUnavailableError(
                f"conditional create: {len(winners)} of {racers} writers made the same key of"
                f" {bucket.url('')}; a store that does not honour If-None-Match: * cannot hold"
                " recordings"
            )
    finally:
        await bucket.delete([key], keep_versions=True)  # a lifecycle rule removes them
    return f"{racers} writers, one winner"


class _Doctor:
    """All checks of one bucket, which must be started."""

    def __init__(self, bucket: Bucket, presigner: Presigner, part_bytes: int, origin: str) -> None:
        self._bucket = bucket
        self._presigner = presigner
        self._part_bytes = part_bytes
        self._origin = origin
        self._at: Any = {"Bucket": bucket.settings.bucket}
        self._name = f"{PROBES}{uuid_utils.compat.uuid7()}"

    async def examine(self) -> AsyncIterator[Finding]:
        """Yield the result of each check. Stop if the others could not succeed."""
        for name, outcome, check, advice in self._checks():
            try:
                yield Finding(name, "pass", await check())
            except (StorageError, FailedCheckError) as error:
                checksum = await self._fitting_checksum(name)
                told = getattr(error, "advice", "") or advice
                if checksum:
                    told = f"set S3_CHECKSUM={checksum}, then run this again"
                yield Finding(name, outcome, str(error), told)
                if check == self._reach or (checksum and name == _OBJECTS):
                    return

    async def _fitting_checksum(self, name: str) -> str:
        """Return another value of S3_CHECKSUM with which a check passes; "" if there is none."""
        if name not in {_OBJECTS, _MULTIPART}:
            return ""
        settings = self._bucket.settings
        for checksum in CHECKSUMS:
            if checksum in {"", settings.checksum}:
                continue
            bucket = Bucket(msgspec.structs.replace(settings, checksum=checksum))
            await bucket.start()
            try:
                await _Doctor(bucket, self._presigner, self._part_bytes, self._origin).passes(name)
            except (StorageError, FailedCheckError):
                continue
            finally:
                await bucket.stop()
            return checksum
        return ""

    async def passes(self, name: str) -> None:
        """Run one check. Raises what it raises."""
        await next(check() for each, _, check, _ in self._checks() if each == name)

    def _checks(self) -> list[tuple[str, Outcome, Callable[[], Awaitable[str]], str]]:
        """Return name, outcome of a failure, check and advice of each."""
        return [
            ("bucket", "fail", self._reach, _UNREACHABLE),
            ("clock", "fail", self._clock, "set the clock: stores refuse one 15 minutes off"),
            (_OBJECTS, "fail", self._objects, f"grant the actions of {_POLICY}"),
            ("conditional create", "fail", self._create_once, "use another store, or a newer one"),
            ("conditional replace", "note", self._replace_raced, "nothing: it is not relied on"),
            (_MULTIPART, "fail", self._multipart, _NO_MULTIPART),
            ("presigned link", "fail", self._presigned, _NO_LINK),
            ("private", "note", self._private, "the public can listen: take public access back"),
            ("CORS", "note", self._cors, f"pages cannot fetch recordings: {_INIT}"),
            (
                "lifecycle",
                "note",
                lambda: check_lifecycle(self._bucket),
                f"lost uploads stay and cost: {_INIT}",
            ),
            ("versions", "note", lambda: check_versions(self._bucket, f"{self._name}/version"), ""),
            ("object lock", "note", lambda: check_object_lock(self._bucket), ""),
        ]

    async def _reach(self) -> str:
        await answer_of(self._bucket.client.head_bucket(**self._at))
        return self._bucket.url("")

    async def _clock(self) -> str:
        answer = await answer_of(self._bucket.client.head_bucket(**self._at))
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
        if not date:
            return "the store does not tell its time"
        skew = abs(datetime.now(UTC) - parsedate_to_datetime(date))
        if skew > timedelta(seconds=_MAX_SKEW_SECONDS):
            raise FailedCheckError(f"{skew.total_seconds():.0f} seconds from the store's")
        return f"within {_MAX_SKEW_SECONDS} seconds"

    async def _objects(self) -> str:
        bucket, key = self._bucket, f"{self._name}/object"
        await bucket.create(key, b"0123456789", metadata={"checkpoint": "kept"})
        head = await bucket.head(key)
        if (head.size_bytes, head.metadata.get("checkpoint")) != (10, "kept"):
            raise FailedCheckError("size or metadata are not as they were put")
        if await bucket.get(key, 2, 5) != b"234":
            raise FailedCheckError("a range is not what was put")
        if await bucket.keys(self._name) != [key]:
            raise FailedCheckError("the listing does not show what was put")
        await bucket.delete([key])
        try:
            await bucket.head(key)
        except RecordingNotFoundError:
            encryption = bucket.settings.encryption
            return f"encrypted with {encryption}" if encryption else "as they should be"
        raise FailedCheckError("a deleted object is still there")

    async def _create_once(self) -> str:
        return await check_create_once(self._bucket, _RACERS)

    async def _replace_raced(self) -> str:
        bucket, key = self._bucket, f"{self._name}/replaced"
        await bucket.put(key, b"first")
        etag = (await bucket.head(key)).etag
        ends = await asyncio.gather(
            *(
                bucket.client.put_object(
                    **self._at, Key=bucket.settings.prefix + key, Body=b"%d" % number, IfMatch=etag
                )
                for number in range(_RACERS)
            ),
            return_exceptions=True,
        )
        await bucket.delete([key])
        winners = sum(not isinstance(end, BaseException) for end in ends)
        if winners != 1:
            raise FailedCheckError(f"{_RACERS} writers, {winners} winners")
        return f"{_RACERS} writers, one winner"

    async def _multipart(self) -> str:
        bucket, key = self._bucket, f"{self._name}/multipart"
        first, last = os.urandom(self._part_bytes), os.urandom(_LAST_PART_BYTES)
        upload = await Upload.create(bucket, key)
        try:
            await upload.put(2, last)
            await upload.put(1, first)
            await upload.complete(len(first) + len(last))
        except StorageError:
            await upload.abort()
            raise
        seam = await bucket.get(key, len(first) - 16, len(first) + 16)
        size_bytes = (await bucket.head(key)).size_bytes
        await bucket.delete([key])
        if size_bytes != len(first) + len(last) or seam != first[-16:] + last[:16]:
            raise FailedCheckError("the object is not its parts in their order")
        return f"parts of {len(first)} and {len(last)} bytes"

    async def _presigned(self) -> str:
        return await self._fetched_through_link(check_origin=False)

    async def _cors(self) -> str:
        return await self._fetched_through_link(check_origin=True)

    async def _fetched_through_link(self, *, check_origin: bool) -> str:
        key = f"{self._name}/link"
        await self._bucket.put(key, b"presigned")
        try:
            url = await self._link(key)
            status, headers, body = await _fetch(url, self._origin)
        finally:
            await self._bucket.delete([key])
        if (status, body) != (200, b"presigned"):
            raise FailedCheckError(f"{url.partition('?')[0]} answers {status}")
        allowed = headers.get("Access-Control-Allow-Origin", "")
        if check_origin and not allowed:
            raise FailedCheckError(f"{self._origin} is not allowed")
        return f"allows {allowed}" if check_origin else url.partition("?")[0]

    async def _link(self, key: str) -> str:
        keys = await self._bucket.credentials.current()
        now = datetime.now(UTC)
        link = await asyncio.to_thread(
            self._presigner.link, key, "probe", _LINK_SECONDS, now, keys=keys
        )
        return link.url

    async def _private(self) -> str:
        key = f"{self._name}/private"
        await self._bucket.put(key, b"private")
        try:
            url = await self._link(key)
            status, _, _ = await _fetch(url.partition("?")[0], self._origin)
        finally:
            await self._bucket.delete([key])
        if status == 200:
            raise FailedCheckError("the object can be read without a link")
        return f"without a link: {status}"


async def _fetch(url: str, origin: str) -> tuple[int, Any, bytes]:
    """Make a GET request as a browser on another origin does."""
    timeout = aiohttp.ClientTimeout(total=_RESPONSE_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as client,
            client.get(url, headers={"Origin": origin}) as answer,
        ):
            return answer.status, answer.headers, await answer.read()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise FailedCheckError(
            f"{url.partition('?')[0]}: {error or type(error).__name__}"
        ) from error
