"""What receivers get of an event, read from storage for each attempt."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

import msgspec

from api.clock import Clock
from api.events.entry import Entry, EventType
from api.session.found import Stored
from api.session.info import session_info
from api.wire.messages import DownloadLink, SessionInfo
from storage.base import Storage
from storage.errors import RecordingNotFoundError
from storage.manifest import Manifest

LinkTo = Callable[[Manifest], Awaitable[DownloadLink | None]]


class NotYetError(Exception):
    """Storage does not show the event, and may show it later."""


class NeverError(Exception):
    """Storage will not show the event any more."""


class SessionData(msgspec.Struct, kw_only=True):
    """The data of an event. ``link`` leads to the audio of a completed session."""

    session_id: str
    session: SessionInfo | None
    link: DownloadLink | None = None
    code: str | None = None


class Message(msgspec.Struct, kw_only=True):
    """The body of a webhook. ``timestamp`` is when the event happened."""

    type: EventType
    timestamp: datetime
    sequence: int
    data: SessionData


class Bodies:
    """Makes the bodies of events, and finds out whether they have happened."""

    def __init__(self, storage: Storage, clock: Clock, link_to: LinkTo) -> None:
        self._storage = storage
        self._clock = clock
        self._link_to = link_to

    async def of(self, entry: Entry) -> bytes:
        """Return the body for an attempt that is made now.

        Raises `NotYetError`, `NeverError`, and `StorageError` if storage cannot be read.
        """
        try:
            manifest = await self._storage.manifest(UUID(entry.session_id))
        except RecordingNotFoundError:
            return _body_without_session(entry)
        match entry.type:
            case "session.deleted":
                raise NotYetError("the session is not deleted")
            case "session.completed":
                return await self._completed(entry, manifest)
            case "session.warning":
                return await self._warned(entry, manifest)
            case _:
                return encode(entry, await Stored(manifest, self._storage, self._clock).info())

    async def _completed(self, entry: Entry, manifest: Manifest) -> bytes:
        if manifest.status != "completed":
            raise NotYetError("the session is active")
        info = session_info(manifest, location=self._location(manifest))
        return encode(entry, info, await self._link_to(manifest))

    async def _warned(self, entry: Entry, manifest: Manifest) -> bytes:
        info = await Stored(manifest, self._storage, self._clock).info()
        is_listed = entry.detail in {warning.code for warning in info.warnings}
        # A session keeps the first warnings only, so one that is counted may not be listed.
        if is_listed or info.warning_count > len(info.warnings):
            return encode(entry, info)
        if info.status == "completed":
            raise NeverError("the session was completed without the warning")
        raise NotYetError("the warning is not persisted")

    def _location(self, manifest: Manifest) -> str:
        return self._storage.location(UUID(manifest.session_id))


def encode(entry: Entry, info: SessionInfo | None, link: DownloadLink | None = None) -> bytes:
    """Return the body of an event about the session."""
    code = entry.detail if entry.type == "session.warning" else None
    data = SessionData(session_id=entry.session_id, session=info, link=link, code=code)
    return msgspec.json.encode(
        Message(type=entry.type, timestamp=entry.occurred_at, sequence=entry.sequence, data=data)
    )


def _body_without_session(entry: Entry) -> bytes:
    if entry.type == "session.deleted":
        return encode(entry, entry.session)
    if entry.type == "session.created":
        raise NotYetError("the session does not exist")
    raise NeverError("the session is deleted")
