"""Read pages of manifests. With the index every page costs the same."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

from storage.base import Page
from storage.checkpoint import Checkpoint
from storage.errors import BadObjectError, RecordingNotFoundError, StorageError
from storage.manifest import Manifest, Status
from storage.s3 import keys
from storage.s3.client.bucket import Bucket
from storage.s3.keys import SessionKeys
from storage.s3.writing.manifests import read_current_manifest
from storage.s3.writing.segment_log import SegmentLog

logger = logging.getLogger(__name__)

_CONCURRENT_READS = 20

Read = Callable[[Bucket, UUID], Awaitable[Manifest]]


async def read_checkpoint(bucket: Bucket, manifest: Manifest) -> Checkpoint:
    """Return how far an active session got: the checkpoint of its last segment."""
    return await SegmentLog(bucket, SessionKeys.of(manifest), manifest.pcm_format).load()


async def read_page(
    bucket: Bucket,
    *,
    status: Status | None,
    user_id: str | None,
    has_warnings: bool | None,
    limit: int,
    cursor: str | None,
) -> Page:
    """Return sessions that match, newest first, from after ``cursor`` on."""
    read = read_current_manifest if has_warnings is None else _read_advanced
    page: list[Manifest] = []
    async for manifest in _candidates(bucket, read, status, user_id, cursor):
        if not manifest.matches(status=status, user_id=user_id, has_warnings=has_warnings):
            continue
        if len(page) == limit:
            return Page(page, next_cursor=page[-1].session_id)
        page.append(manifest)
    return Page(page)


async def _candidates(
    bucket: Bucket, read: Read, status: Status | None, user_id: str | None, cursor: str | None
) -> AsyncIterator[Manifest]:
    """Yield manifests from the shortest part of the index that has all matches."""
    if status == "active":
        listed = bucket.skipped.parsed(await bucket.keys(keys.ACTIVE), keys.session_of)
        found = sorted(listed, reverse=True)
        wanted = [key for key in found if cursor is None or str(key) < cursor]
        async for manifest in _read_all(bucket, read, wanted):
            yield manifest
        return
    prefix = keys.BY_TIME if user_id is None else keys.by_user(user_id)
    after = "" if cursor is None else prefix + keys.index_entry(UUID(cursor))
    async for page in bucket.pages(prefix, start_after=after):
        found = bucket.skipped.parsed((entry.key for entry in page), keys.session_of)
        async for manifest in _read_all(bucket, read, found):
            yield manifest


async def _read_advanced(bucket: Bucket, session_id: UUID) -> Manifest:
    """Read a manifest; that of an active session gets the warnings that it does not have yet."""
    manifest = await read_current_manifest(bucket, session_id)
    if manifest.status == "completed":
        return manifest
    return manifest.advanced_to(await read_checkpoint(bucket, manifest))


async def _read_all(bucket: Bucket, read: Read, session_ids: list[UUID]) -> AsyncIterator[Manifest]:
    for start in range(0, len(session_ids), _CONCURRENT_READS):
        batch = session_ids[start : start + _CONCURRENT_READS]
        found = await asyncio.gather(
            *(read(bucket, session_id) for session_id in batch), return_exceptions=True
        )
        for session_id, manifest in zip(batch, found, strict=True):
            if isinstance(manifest, Manifest):
                yield manifest
            elif isinstance(manifest, RecordingNotFoundError):
                continue  # deleted meanwhile
            elif isinstance(manifest, BadObjectError):
                bucket.skipped.report(str(session_id), f"left out of lists: {manifest}")
            elif isinstance(manifest, StorageError):
                logger.error("left out of the list: %s: %s", session_id, manifest)
            else:
                raise manifest
