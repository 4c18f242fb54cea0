"""Entries of the outbox: what is stored of an event until every receiver has it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal, get_args
from uuid import UUID

import msgspec
from msgspec import Meta

from api.wire.messages import SessionInfo
from storage.errors import BadObjectError, decoding

EventType = Literal[
    "session.created",
    "session.taken_over",
    "session.warning",
    "session.persistence_delayed",
    "session.completed",
    "session.deleted",
]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)

# Of the format of an entry. A release reads the versions up to its own.
VERSION = 1

_RECEIVER_MARK = "-to-"

_Count = Annotated[int, Meta(ge=0)]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An event that may have happened, for every endpoint that is not in ``not_for``.

    An endpoint that has failed has an entry of its own: ``receiver`` is its key, ``host`` names it
    for people, and ``not_for`` has the keys of the others. So if its URL is corrected, the event
    goes to the new URL.

    ``detail`` tells several events of one type apart: the code of a warning, an id of a takeover.
    ``session`` is what `session.deleted` says of the session, which is gone by then. ``attempts``
    counts the attempts that failed, ``checks`` how often storage did not show the event yet.
    """

    version: int = VERSION
    type: EventType
    session_id: str
    sequence: _Count
    occurred_at: datetime
    detail: str = ""
    session: SessionInfo | None = None
    attempts: _Count = 0
    checks: _Count = 0
    not_for: tuple[str, ...] = ()
    receiver: str = ""
    host: str = ""

    @property
    def event_id(self) -> str:
        """Return the id of the event, as receivers get it: the same if the event is repeated."""
        kind = self.type.removeprefix("session.")
        return "-".join(part for part in (self.session_id, kind, self.detail) if part)

    @property
    def name(self) -> str:
        """Return the name of the entry: the id of the event, and the receiver if it has one."""
        return self.event_id + (f"{_RECEIVER_MARK}{self.receiver}" if self.receiver else "")

    def only_for(self, receiver: str, host: str, others: Iterable[str]) -> "Entry":
        """Return the entry of one endpoint, without the other ones that this entry is for."""
        return msgspec.structs.replace(
            self, receiver=receiver, host=host, not_for=(*self.not_for, *others)
        )


def event_of(name: str) -> str:
    """Return the id of the event of an entry with this name."""
    return name.partition(_RECEIVER_MARK)[0]


class NewerEntryError(Exception):
    """A later release wrote the entry."""


def new_entry(
    event: EventType,
    session_id: str,
    now: datetime,
    *,
    detail: str = "",
    session: SessionInfo | None = None,
) -> Entry:
    """Return the entry of an event that happens now.

    The sequence is the number of milliseconds since the creation of the session, by the clock of
    this node; zero for `session.created`.
    """
    created_ms = UUID(session_id).int >> 80  # RFC 9562, section 5.7
    rank = EVENT_TYPES.index(event)
    elapsed_ms = int(now.timestamp() * 1000) - created_ms
    return Entry(
        type=event,
        session_id=session_id,
        sequence=max(rank, elapsed_ms) if rank else 0,
        occurred_at=now,
        detail=detail,
        session=session,
    )


encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Entry).decode


def decode(name: str, data: bytes) -> Entry:
    """Return the entry. Raises `BadObjectError` and `NewerEntryError`."""
    with decoding(f"{name}: not an event"):
        version = msgspec.json.decode(data, type=_Versioned).version
        if version > VERSION:
            raise NewerEntryError(f"{name}: an event of version {version}")
        entry = _decode(data)
    if entry.name != name:
        raise BadObjectError(f"{name}: it is the event {entry.name}")
    return entry


class _Versioned(msgspec.Struct):
    version: int
