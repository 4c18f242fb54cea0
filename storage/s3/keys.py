"""The keys of a session's objects. They are built and parsed only here.

Ids are UUIDs of version 7, whose order is the order of creation. Listings of a bucket run
upwards only, so the index names each session by the complement of its id: newest first.

A bucket may hold other keys: folder markers, copies, notes. What parses a key returns None for
one that this module would not have built.
"""

import hashlib
import re
from datetime import datetime
from uuid import UUID

from storage.manifest import Manifest
from storage.outbox import Place, is_name, parse_slot, slot_name

_SEGMENT_DIGITS = 8
_OFFSET_DIGITS = 12
_EPOCH_DIGITS = 8
_SECONDS_DIGITS = 12
_MAX_DIGITS = 18
_ID_LENGTH = 36
_ALL_ONES = 2**128 - 1
_CALL_HASH = re.compile("[0-9a-f]{32}")

ACTIVE = "_index/active/"
BY_TIME = "_index/time/"
BY_USER = "_index/user/"
CALLS = "_index/calls/"
EXPIRING = "_index/expires/"
NODES = "_nodes/"
OUTBOX = "_outbox/"


class SessionKeys:
    """Every key that belongs to one session."""

    def __init__(self, session_id: UUID) -> None:
        self.session_id = session_id
        self.audio = f"{session_id}.wav"
        self.manifest = f"{session_id}.json"
        self.details = f"{session_id}.meta.json"
        self.claim = f"{session_id}.claim"
        self.peaks = f"{session_id}.dat"
        self.blocks = f"{session_id}.sums"
        self.timeline = f"{session_id}.times"
        self.links = f"{session_id}.links/"
        self.folder = f"{session_id}/"
        self.segments = f"{session_id}/segments/"
        self.inputs = f"{session_id}/input/"
        self.epochs = f"{session_id}/epochs/"
        self.digests = f"{session_id}/digests/"
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

    def digest(self, pcm_bytes: int) -> str:
        """Return the key of the digests up to ``pcm_bytes``."""
        return f"{self.digests}{pcm_bytes:0{_OFFSET_DIGITS}}"

    def link(self, link_id: str) -> str:
        """Return the key of a shared link."""
        return f"{self.links}{link_id}"

    def input_of(self, stream: int) -> str:
        return f"{self.inputs}{stream}/"

    def index(self, user_id: str | None) -> list[str]:
        """Return the index entries by which listings find the session."""
        place = _complement(self.session_id)
        entries = [BY_TIME + place]
        if user_id is not None:
            entries.append(by_user(user_id) + place)
        return entries

    def call(self, call_hash: str | None) -> list[str]:
        """Return the mark by which a call finds its active session again; none if it has none."""
        return [] if call_hash is None else [by_call(call_hash) + _complement(self.session_id)]

    def index_of(self, manifest: Manifest) -> list[str]:
        """Return all index entries of the session but the marks of an active one."""
        return [*self.index(manifest.user_id), *self.expiry(manifest.expires_at)]

    def expiry(self, at: datetime | None) -> list[str]:
        """Return the index entry by which the session is found when it expires; none without it."""
        if at is None:
            return []
        seconds = max(0, int(at.timestamp()))
        return [f"{EXPIRING}{seconds:0{_SECONDS_DIGITS}}-{self.session_id}"]


def by_user(user_id: str) -> str:
    """Return the prefix of the index of one user's sessions."""
    return f"{BY_USER}{hashlib.sha256(user_id.encode()).hexdigest()[:32]}/"


def by_call(call_hash: str) -> str:
    """Return the prefix of the marks of one call: no folder, see `outbox_entry`."""
    return f"{CALLS}{call_hash}-"


def session_of(key: str) -> UUID | None:
    """Return the session of an index entry, None if the key is none."""
    if key.startswith(EXPIRING):
        found_expiry = expiry_of(key)
        return None if found_expiry is None else found_expiry[1]
    name = key.rpartition("/")[2]
    if key.startswith(CALLS):
        call_hash, _, name = key.removeprefix(CALLS).partition("-")
        if not _CALL_HASH.fullmatch(call_hash):
            return None
    try:
        found = UUID(name)
    except ValueError:
        return None
    if str(found) != name:
        return None
    return found if key.startswith(ACTIVE) else UUID(int=_ALL_ONES - found.int)


def expiry_of(key: str) -> tuple[int, UUID] | None:
    """Return from when on, in Unix seconds, a session expires; None if the key is no such entry."""
    seconds, _, name = key.removeprefix(EXPIRING).partition("-")
    number = _number(seconds, _SECONDS_DIGITS)
    if number is None or not key.startswith(EXPIRING) or not is_node_id(name):
        return None
    return number, UUID(name)


def top_level_name(name: str) -> tuple[UUID, str] | None:
    """Return the session and the rest of a name at the top level, as ``.wav``, ``.json`` or ``/``.

    None if no session has the name.
    """
    text, rest = name[:_ID_LENGTH], name[_ID_LENGTH:]
    try:
        session_id = UUID(text)
    except ValueError:
        return None
    return (session_id, rest) if str(session_id) == text else None


def index_entry(session_id: UUID) -> str:
    """Return the last part of the key of a session in an index by time or by user."""
    return _complement(session_id)


def created_at(session_id: UUID) -> float:
    """Return the Unix time in a UUID of version 7 (RFC 9562, section 5.7)."""
    return (session_id.int >> 80) / 1000


def segment_sequence(key: str) -> int | None:
    """Return the number of a segment, None if the key is none."""
    name = key.rpartition("/")[2]
    return _number(name.removesuffix(".wav"), _SEGMENT_DIGITS) if name.endswith(".wav") else None


def input_offset(key: str) -> int | None:
    """Return the offset of a piece of kept input, None if the key is none."""
    offset, _, epoch = key.rpartition("/")[2].partition(".")
    return None if _number(epoch, _EPOCH_DIGITS) is None else _number(offset, _OFFSET_DIGITS)


def input_stream(key: str) -> int | None:
    """Return the number of the stream of a piece of kept input, None if the key is none."""
    folder = key.rpartition("/")[0]
    return _number(folder.rpartition("/")[2], 1) if input_offset(key) is not None else None


def digest_offset(key: str) -> int | None:
    """Return up to which byte of PCM the digests of the key go, None if the key is none."""
    return _number(key.rpartition("/")[2], _OFFSET_DIGITS)


def epoch_of(key: str) -> int | None:
    """Return the epoch, None if the key is none."""
    return _number(key.rpartition("/")[2], _EPOCH_DIGITS)


def node_of(key: str) -> str | None:
    """Return the id of the node whose object has the key, None if the key is none."""
    name = key.removeprefix(NODES)
    return name if is_node_id(name) else None


def outbox_entry(place: Place) -> str:
    """Return the key of an entry of the outbox.

    Slots are no folders: SeaweedFS keeps folders that have become empty.
    """
    return f"{OUTBOX}{place.node}/{slot_name(place.slot)}-{place.name}"


def outbox_place(key: str) -> Place | None:
    """Return the place of an entry of the outbox, None if the key is none."""
    node, _, rest = key.removeprefix(OUTBOX).partition("/")
    slot_text, _, name = rest.partition("-")
    slot = parse_slot(slot_text)
    if slot is None or not is_name(node) or not is_name(name):
        return None
    return Place(node, slot, name)


def is_node_id(text: str) -> bool:
    """Return whether ``text`` is a UUID in canonical form."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _number(text: str, digits: int) -> int | None:
    """Return the number that is written with at least so many digits, None for any other text."""
    if len(text) < digits or len(text) > _MAX_DIGITS or not (text.isascii() and text.isdigit()):
        return None
    return int(text) if f"{int(text):0{digits}}" == text else None


def _complement(session_id: UUID) -> str:
    return str(UUID(int=_ALL_ONES - session_id.int))
