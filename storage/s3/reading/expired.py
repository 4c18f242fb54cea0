"""Find sessions whose ``expires_at`` has come, by the index of those times.

A listing costs one request while none has come, and one get for each session that is due or stale.
An entry is written before and after the details that it is of, and may be stale: the manifest
decides.
"""

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from uuid import UUID

from storage.base import AgedSession, ExpiredPage
from storage.errors import BadObjectError, RecordingNotFoundError
from storage.manifest import Manifest
from storage.s3 import keys
from storage.s3.client.bucket import Bucket, ListedObject
from storage.s3.keys import SessionKeys
from storage.s3.writing.manifests import read_current_manifest

# botocore parses a key in about 60 microseconds, on the event loop.
_MAX_KEYS = 150
_CONCURRENT_READS = 16

# A session that is being created has its entry before its manifest.
_CREATE_GRACE = timedelta(hours=1)


async def expired(bucket: Bucket, now: datetime) -> AsyncGenerator[ExpiredPage, None]:
    """Yield the completed sessions that have expired, and remove stale entries."""
    reading = asyncio.Semaphore(_CONCURRENT_READS)
    end = int(now.timestamp())
    async for listing in bucket.listings(keys.EXPIRING, max_keys=_MAX_KEYS):
        due: list[tuple[ListedObject, UUID]] = []
        is_last = False
        for each in listing.objects:
            for seconds, session_id in bucket.skipped.parsed([each.key], keys.expiry_of):
                is_last = seconds > end
                due += [] if is_last else [(each, session_id)]
        written_before = (listing.answered_at or now) - _CREATE_GRACE

        async def manifest_of(
            entry: ListedObject, session_id: UUID, before: datetime = written_before
        ) -> Manifest | None:
            async with reading:
                return await _manifest_of(bucket, entry, session_id, before)

        found = await asyncio.gather(*(manifest_of(*each) for each in due))
        yield ExpiredPage(
            [
                (AgedSession(UUID(each.session_id), None, has_folder=True), each)
                for each in found
                if each is not None and each.status == "completed" and each.is_expired(now)
            ],
            listing.answered_at,
        )
        if is_last:
            return


async def _manifest_of(
    bucket: Bucket, entry: ListedObject, session_id: UUID, written_before: datetime
) -> Manifest | None:
    """Return the manifest that an entry is of; remove a stale entry and return None."""
    try:
        manifest = await read_current_manifest(bucket, session_id)
        if entry.key in SessionKeys(session_id).expiry(manifest.expires_at):
            return manifest
        await bucket.delete([entry.key])
        # Again: a change may have given this time back to the session.
        manifest = await read_current_manifest(bucket, session_id)
        if entry.key in SessionKeys(session_id).expiry(manifest.expires_at):
            await bucket.put(entry.key, b"")
    except RecordingNotFoundError:
        if entry.modified_at < written_before:
            await bucket.delete([entry.key])
    except BadObjectError as error:
        bucket.skipped.report(str(session_id), error)
    return None
