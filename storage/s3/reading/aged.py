"""Find sessions by their age, in the order of their creation.

Keys at the top level begin with the id of a session, so a listing of them is a list of all
sessions, oldest first, with the times at which the store wrote their audio. It costs one request
for about fifty sessions and reads none of them.
"""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from uuid import UUID

from storage.base import AgedPage, AgedSession
from storage.s3.client.bucket import Bucket, Listing
from storage.s3.keys import top_level_name

# botocore parses a key in about 60 microseconds, on the event loop.
_MAX_KEYS = 150

# Segments and epochs, and shared links.
_FOLDERS = {"/", ".links/"}

_Names = dict[str, datetime | None]  # of one session, without its id; and when each was written


async def sessions_below(bucket: Bucket, session_id: UUID) -> AsyncGenerator[AgedPage, None]:
    """Yield the sessions with a lower id that have a manifest, oldest first."""
    end = str(session_id)
    found: dict[UUID, _Names] = {}
    async for listing in bucket.listings("", delimiter="/", max_keys=_MAX_KEYS):
        last_name = _collect(listing, end, found)
        # The next answer may continue the last session.
        continued = {} if last_name >= end or not found else {max(found): found.pop(max(found))}
        yield AgedPage(_sessions(found), listing.answered_at)
        if last_name >= end:
            return
        found = continued
    yield AgedPage(_sessions(found))


def _collect(listing: Listing, end: str, found: dict[UUID, _Names]) -> str:
    """Add the names below ``end`` to ``found``. Return the last name of the listing."""
    names: _Names = {each.key: each.modified_at.astimezone(UTC) for each in listing.objects}
    names.update(dict.fromkeys(listing.folders))
    for name, modified_at in names.items():
        if name < end and (parsed := top_level_name(name)) is not None:
            session_id, rest = parsed
            found.setdefault(session_id, {})[rest] = modified_at
    return max(names, default="")


def _sessions(found: dict[UUID, _Names]) -> list[AgedSession]:
    return [
        AgedSession(session_id, names.get(".wav"), has_folder=not _FOLDERS.isdisjoint(names))
        for session_id, names in sorted(found.items())
        if ".json" in names
    ]
