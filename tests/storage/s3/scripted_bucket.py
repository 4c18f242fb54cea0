"""A bucket in memory whose requests wait until a test carries them out.

A test can carry out a request at once or much later, once or twice, and can lose its answer, as
a network and a store do under faults.
"""

import asyncio
import contextlib
import functools
import hashlib
import itertools
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

from storage.errors import RecordingNotFoundError, StorageError, StorageUnavailableError
from storage.s3.client.bucket import (
    BucketSettings,
    KeyExistsError,
    ListedObject,
    Listing,
    ObjectHead,
)
from storage.skipped import SkippedObjects
from tests.storage.s3.scripted_uploads import UploadClient, Uploads

_ids = itertools.count()
_THEN = datetime(2026, 1, 1, tzinfo=UTC)


class Objects:
    """The stored objects: body and metadata by key, shared by the buckets of all nodes."""

    def __init__(self) -> None:
        self.stored: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.uploads = Uploads()

    def get(self, key: str) -> tuple[bytes, dict[str, str]]:
        if key not in self.stored:
            raise RecordingNotFoundError(key)
        return self.stored[key]

    def put(self, key: str, body: bytes, metadata: dict[str, str]) -> None:
        self.stored[key] = body, metadata

    def create(self, key: str, body: bytes, metadata: dict[str, str]) -> None:
        if key not in self.stored:
            self.stored[key] = body, metadata
        elif self.stored[key][1].get("write-id") != metadata["write-id"]:
            raise KeyExistsError(key)  # the same id is a retry of the same write

    def delete(self, key: str) -> None:
        self.stored.pop(key, None)

    def listed(self, prefix: str) -> list[ListedObject]:
        bodies = {key: self.stored[key][0] for key in self.list(prefix)}
        return [ListedObject(key, len(body), _THEN, _etag(body)) for key, body in bodies.items()]

    def list(self, prefix: str) -> list[str]:
        return sorted(key for key in self.stored if key.startswith(prefix))


class Request:
    """One request in flight."""

    def __init__(self, do: Callable[[], Any]) -> None:
        self._do = do
        self._answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    @property
    def is_waited_for(self) -> bool:
        return not self._answer.done()

    async def answer(self) -> Any:
        return await self._answer

    def carry_out(self, *, lose_answer: bool = False) -> None:
        """Execute the request; every further call executes it again."""
        try:
            result, error = self._do(), None
        except (StorageError, KeyExistsError) as refused:
            result, error = None, refused
        if not self.is_waited_for:
            return
        if lose_answer:
            self.fail()
        elif error is not None:
            self._answer.set_exception(error)
        else:
            self._answer.set_result(result)

    def fail(self) -> None:
        """Fail the waiting caller; the request may still be carried out later."""
        self._answer.set_exception(StorageUnavailableError("no answer"))


class ScriptedBucket:
    """The part of `storage.s3.client.bucket.Bucket` that a recording uses."""

    def __init__(self, objects: Objects, settings: BucketSettings) -> None:
        self.settings = settings
        self.skipped = SkippedObjects()
        self.in_flight: list[Request] = []
        self.written: list[str] = []  # keys, in the order of the requests
        self.is_instant = True
        self.upload_algorithm: str | None = None
        self._objects = objects
        self._client = UploadClient(
            objects.uploads, lambda key, body: objects.put(key, body, {}), self._ask
        )

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    def url(self, key: str) -> str:
        return key

    def key(self, key: str) -> str:
        return key

    def object_parameters(self, key: str) -> dict[str, str]:
        return {"Key": key}

    def encryption_parameters(self) -> dict[str, str]:
        return {}

    async def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        body: bytes = await self._ask(lambda: self._objects.get(key)[0])
        return body[start:stop]

    async def head(self, key: str) -> ObjectHead:
        body, metadata = await self._ask(lambda: self._objects.get(key))
        return ObjectHead(
            size_bytes=len(body), etag=_etag(body), modified_at=_THEN, metadata=metadata
        )

    async def put(self, key: str, body: bytes, content_type: str = "") -> None:
        del content_type
        await self._ask(lambda: self._objects.put(key, body, {}), key)

    async def create(
        self,
        key: str,
        body: bytes,
        content_type: str = "",
        metadata: dict[str, str] | None = None,
        write_id: str = "",
    ) -> None:
        del content_type
        kept = {**(metadata or {}), "write-id": write_id or str(next(_ids))}
        await self._ask(lambda: self._objects.create(key, body, kept), key)

    async def delete(self, keys: list[str], *, keep_versions: bool = False) -> None:
        """Delete ``keys`` one by one, because the store need not delete them atomically."""
        del keep_versions
        deletions = [functools.partial(self._objects.delete, key) for key in keys]
        await asyncio.gather(*map(self._ask, deletions))

    async def delete_below(self, prefix: str) -> None:
        await self.delete(await self.keys(prefix))

    async def keys(self, prefix: str) -> list[str]:
        found: list[str] = await self._ask(lambda: self._objects.list(prefix))
        return found

    async def pages(
        self, prefix: str, *, start_after: str = ""
    ) -> AsyncIterator[list[ListedObject]]:
        del start_after
        async for listing in self.listings(prefix):
            yield listing.objects

    async def listings(self, prefix: str) -> AsyncIterator[Listing]:
        yield Listing(await self._ask(lambda: self._objects.listed(prefix)), [])

    @contextlib.asynccontextmanager
    async def request(self, key: str = "") -> AsyncIterator[UploadClient]:
        del key
        yield self._client

    async def _ask(self, do: Callable[[], Any], writes: str = "") -> Any:
        request = Request(do)
        if writes:
            self.written.append(writes)
        if self.is_instant:
            request.carry_out()
        else:
            self.in_flight.append(request)
        return await request.answer()


def _etag(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
