"""Read pages of manifests. With the index every page costs the same."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

from storage.base import Page
from storage.checkpoint import Checkpoint
from storage.errors import BadObjectError, RecordingNotFoundError, StorageError
from storage.filters import Filters
from storage.manifest import Manifest
from storage.s3 import keys
from storage.s3.client.bucket import Bucket
from storage.s3.keys import SessionKeys
from storage.s3.writing.manifests import read_current_manifest
from storage.s3.writing.segment_log import SegmentLog

logger = logging.getLogger(__name__)

_CONCURRENT_READS = 20

# A list that is searched would read the whole bucket for one page. After so many manifests that do
# not match, the page ends with what it has, and its cursor goes on from there.
MAX_MISMATCHES = 500

# botocore parses a key in about 60 microseconds, on the event loop.
_MAX_KEYS = 150

Read = Callable[[Bucket, UUID], Awaitable[Manifest]]


async def read_checkpoint(bucket: Bucket, manifest: Manifest) -> Checkpoint:
    """Return how far an active session got: the checkpoint of its last segment."""
    return await SegmentLog(bucket, SessionKeys.of(manifest), manifest.pcm_format).load()


async def read_page(
    bucket: Bucket,
    filters: Filters,
    *,
    limit: int,
    cursor: UUID | None = None,
    max_mismatches: int = MAX_MISMATCHES,
) -> Page:
    """Return sessions that match, from after ``cursor`` on; perhaps fewer than there are."""
    read = read_current_manifest if filters.has_warnings is None else _read_advanced
    page: list[Manifest] = []
    mismatches = 0
    async for session_ids in _candidates(bucket, filters, cursor):
        async for session_id, manifest in _read_all(bucket, read, session_ids):
            if manifest is None or not filters.matches(manifest):
                mismatches += 1
                if mismatches == max_mismatches:
                    return Page(page, next_cursor=str(session_id))
            elif len(page) == limit:
                return Page(page, next_cursor=page[-1].session_id)
            else:
                page.append(manifest)
    return Page(page)


async def _candidates(
    bucket: Bucket, filters: Filters, cursor: UUID | None
) -> AsyncIterator[list[UUID]]:
    """Yield the sessions that may match, in order, from the shortest part of the index."""
    first, end = filters.ids_after(cursor)
    if filters.status == "active":
        listed = bucket.skipped.parsed(await bucket.keys(keys.ACTIVE), keys.session_of)
        found = sorted(listed, reverse=not filters.is_oldest_first)
        yield [each for each in found if first <= each < end]
    elif filters.is_oldest_first:
        async for session_ids in _oldest_first(bucket, first):
            wanted = [each for each in session_ids if each < end]
            yield wanted
            if len(wanted) < len(session_ids):
                return
    else:
        prefix = keys.BY_TIME if filters.user_id is None else keys.by_user(filters.user_id)
        async for session_ids in _newest_first(bucket, prefix, end):
            wanted = [each for each in session_ids if each >= first]
            yield wanted
            if len(wanted) < len(session_ids):
                return


async def _newest_first(bucket: Bucket, prefix: str, end: UUID) -> AsyncIterator[list[UUID]]:
    """Yield the sessions below ``end`` that an index names."""
    after = prefix + keys.index_entry(end)
    async for listing in bucket.listings(prefix, start_after=after, max_keys=_MAX_KEYS):
        names = (entry.key for entry in listing.objects)
        yield bucket.skipped.parsed(names, keys.session_of)


async def _oldest_first(bucket: Bucket, first: UUID) -> AsyncIterator[list[UUID]]:
    """Yield the sessions from ``first`` on. No index has this order, but the manifests have it."""
    async for listing in bucket.listings(
        "", start_after=str(first), delimiter="/", max_keys=_MAX_KEYS
    ):
        names = (keys.top_level_name(entry.key) for entry in listing.objects)
        yield [name[0] for name in names if name is not None and name[1] == ".json"]


async def _read_advanced(bucket: Bucket, session_id: UUID) -> Manifest:
    """Read a manifest; that of an active session gets the warnings that it does not have yet."""
    manifest = await read_current_manifest(bucket, session_id)
    if manifest.status == "completed":
        return manifest
    return manifest.advanced_to(await read_checkpoint(bucket, manifest))


async def _read_all(
    bucket: Bucket, read: Read, session_ids: list[UUID]
) -> AsyncIterator[tuple[UUID, Manifest | None]]:
    """Yield each session with its manifest, None if that is missing or cannot be read."""
    for start in range(0, len(session_ids), _CONCURRENT_READS):
        batch = session_ids[start : start + _CONCURRENT_READS]
        found = await asyncio.gather(
            *(read(bucket, session_id) for session_id in batch), return_exceptions=True
        )
        for session_id, manifest in zip(batch, found, strict=True):
            if isinstance(manifest, Manifest):
                yield session_id, manifest
                continue
            if isinstance(manifest, BadObjectError):
                bucket.skipped.report(str(session_id), f"left out of lists: {manifest}")
            elif isinstance(manifest, RecordingNotFoundError):
                pass  # deleted meanwhile
            elif isinstance(manifest, StorageError):
                logger.error("%s: left out of the list: error=%s", session_id, manifest)
            else:
                raise manifest
            yield session_id, None
