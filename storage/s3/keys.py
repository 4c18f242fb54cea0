"""The keys of a session's objects. They are built and parsed only here.

Ids are UUIDs of version 7, whose order is the order of creation. Listings of a bucket run
upwards only, so the index names each session by the complement of its id: newest first.
"""

import hashlib
from datetime import UTC, datetime
from uuid import UUID

from storage.manifest import Manifest

_SEGMENT_DIGITS = 8
_OFFSET_DIGITS = 12
_EPOCH_DIGITS = 8
_ALL_ONES = 2**128 - 1

ACTIVE = "_index/active/"
BY_TIME = "_index/time/"
BY_USER = "_index/user/"


class SessionKeys:
    """Every key that belongs to one session."""

    def __init__(self, session_id: UUID) -> None:
        self.session_id = session_id
        self.audio = f"{session_id}.wav"
        self.manifest = f"{session_id}.json"
        self.peaks = f"{session_id}.dat"
        self.folder = f"{session_id}/"
        self.segments = f"{session_id}/segments/"
        self.inputs = f"{session_id}/input/"
        self.epochs = f"{session_id}/epochs/"
        self.active = f"{ACTIVE}{session_id}"

    @classmethod
    def of(cls, manifest: Manifest) -> "SessionKeys":
        """Return the keys of the session that ``manifest`` describes."""
        return cls(UUID(manifest.session_id))

    def segment(self, sequence: int) -> str:
        return f"{self.segments}{sequence:0{_SEGMENT_DIGITS}}.wav"

    def epoch(self, epoch: int) -> str:
        return f"{self.epochs}{epoch:0{_EPOCH_DIGITS}}"

    def input(self, stream: int, offset: int, epoch: int) -> str:
        return f"{self.input_of(stream)}{offset:0{_OFFSET_DIGITS}}.{epoch:0{_EPOCH_DIGITS}}"

    def input_of(self, stream: int) -> str:
        return f"{self.inputs}{stream}/"

    def index(self, user_id: str | None) -> list[str]:
        """Return the index entries by which listings find the session."""
        place = _complement(self.session_id)
        entries = [BY_TIME + place]
        if user_id is not None:
            entries.append(by_user(user_id) + place)
        return entries


def by_user(user_id: str) -> str:
    """Return the prefix of the index of one user's sessions."""
    return f"{BY_USER}{hashlib.sha256(user_id.encode()).hexdigest()[:32]}/"


def session_of(key: str) -> UUID:
    """Return the session of an index entry."""
    name = key.rpartition("/")[2]
    return UUID(name) if key.startswith(ACTIVE) else UUID(int=_ALL_ONES - UUID(name).int)


def index_entry(session_id: str) -> str:
    """Return the last part of the key of ``session_id`` in an index by time."""
    return _complement(UUID(session_id))


def created_at(session_id: UUID) -> datetime:
    """Return the time in a UUID of version 7 (RFC 9562, section 5.7)."""
    return datetime.fromtimestamp((session_id.int >> 80) / 1000, UTC)


def segment_sequence(key: str) -> int:
    return int(key.rpartition("/")[2].removesuffix(".wav"))


def input_offset(key: str) -> int:
    return int(key.rpartition("/")[2].partition(".")[0])


def epoch_of(key: str) -> int:
    return int(key.rpartition("/")[2])


def _complement(session_id: UUID) -> str:
    return str(UUID(int=_ALL_ONES - session_id.int))
