"""The timeline of a session: which moment belongs to which frame, and what clients marked.

While a session is active, its entries are stored as kept input with the number `TIMELINE`, as the
journal is (`storage.journal`): so a checkpoint counts them together with the audio. Each entry is
one record of `storage.record` with MessagePack. The writer appends at most `MAX_ENTRIES` of each
kind and counts the others. When the session is completed, the whole timeline becomes one JSON file,
whose SHA-256 is in the receipt.

Times are those of the node that wrote the session; it adds monotonic time to what its clock showed
when it opened the session.
"""

import contextlib
import hashlib
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from storage import record
from storage.checkpoint import Checkpoint
from storage.errors import BadObjectError, decoding
from storage.manifest import Manifest
from storage.pcm import PcmFormat

logger = logging.getLogger(__name__)

MAX_ENTRIES = 1000  # of each kind
MAX_LABEL_CHARACTERS = 200


class Connected(msgspec.Struct, frozen=True, array_like=True, tag="connected", gc=False):
    """A connection began at time ``at``, when so many bytes and chunks were recorded."""

    at: float
    connection: int
    pcm_bytes: int
    chunk_count: int
    node: str


class Disconnected(msgspec.Struct, frozen=True, array_like=True, tag="disconnected", gc=False):
    """The connection ended. It has sent ``chunks`` of ``input_bytes``, and added ``pcm_bytes``."""

    at: float
    connection: int
    pcm_bytes: int
    chunks: int
    input_bytes: int


class Opened(msgspec.Struct, frozen=True, array_like=True, tag="opened", gc=False):
    """Another process took the session up; what was connected had ended by ``last_at``."""

    last_at: float
    pcm_bytes: int
    chunk_count: int


class Late(msgspec.Struct, frozen=True, array_like=True, tag="late", gc=False):
    """The audio after ``pcm_bytes`` came ``seconds`` later than its length allows."""

    at: float
    pcm_bytes: int
    seconds: float


class Paused(msgspec.Struct, frozen=True, array_like=True, tag="paused", gc=False):
    """A pause that has ended. ``chunks`` of ``input_bytes`` were not recorded."""

    began: float
    ended: float
    pcm_bytes: int
    first_chunk: int
    chunks: int
    input_bytes: int


class Marked(msgspec.Struct, frozen=True, array_like=True, tag="marked", gc=False):
    at: float
    pcm_bytes: int
    label: str


class Omissions(msgspec.Struct, frozen=True, kw_only=True):
    """What the timeline does not list, because it has as much as it can hold."""

    connections: int = 0
    gaps: int = 0
    gap_seconds: float = 0.0
    pauses: int = 0
    pause_seconds: float = 0.0

    @property
    def count(self) -> int:
        return self.connections + self.gaps + self.pauses

    def plus(self, entry: "Entry") -> "Omissions":
        """Return the counts with one entry more."""
        match entry:
            case Connected():
                return msgspec.structs.replace(self, connections=self.connections + 1)
            case Late(seconds=seconds):
                total = round(self.gap_seconds + seconds, 3)
                return msgspec.structs.replace(self, gaps=self.gaps + 1, gap_seconds=total)
            case Paused(began, ended):
                total = round(self.pause_seconds + ended - began, 3)
                return msgspec.structs.replace(self, pauses=self.pauses + 1, pause_seconds=total)
            case _:
                return self


class Omitted(msgspec.Struct, frozen=True, array_like=True, tag="omitted", gc=False):
    """What was not listed so far. Each of these entries replaces the one before it."""

    omissions: Omissions


Entry = Connected | Disconnected | Opened | Late | Paused | Marked | Omitted

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


class ConnectionSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A connection that sent audio.

    ``ended_at`` is null while it is open; the counts are those so far. If its process was killed,
    or another one answers, ``bytes`` is null, and so are the other counts if it was not the only
    connection.
    """

    began_at: datetime
    ended_at: datetime | None = None
    first_frame: int
    frames: int | None = None
    chunks: int | None = None
    bytes: int | None = None
    node: str


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """The audio from ``frame`` on came ``seconds`` later than its length allows, at time ``at``."""

    at: datetime
    frame: int
    seconds: float


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """Between ``began_at`` and ``ended_at``, ``chunks`` of ``bytes`` were not recorded.

    They are those after the first ``first_chunk`` chunks; ``frame`` is the first frame after it.
    """

    began_at: datetime
    ended_at: datetime | None = None
    frame: int
    first_chunk: int
    chunks: int
    bytes: int
    seconds: float | None = None


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    at: datetime
    frame: int
    label: str


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """What happened when. ``is_complete`` is false if there was more than the timeline lists."""

    version: int = 1
    session_id: str
    connections: tuple[ConnectionSpan, ...] = ()
    gaps: tuple[Gap, ...] = ()
    pauses: tuple[Pause, ...] = ()
    marks: tuple[Mark, ...] = ()
    omitted: Omissions = Omissions()
    is_complete: bool = True


def least_gap_seconds(count: int) -> float:
    """Return how long a gap must be to be listed as the one after ``count`` others.

    So that many short gaps leave room for long ones: the second half of the list is for gaps of at
    least 1, 2, 4, 8 and 16 seconds, a fifth of it for each.
    """
    half = MAX_ENTRIES // 2
    return 0.0 if count < half else float(2 ** ((count - half) * 5 // half))


def encode_entry(entry: Entry) -> bytes:
    """Return the record of the entry."""
    return record.encode(_encode(entry))


def decode_entries(data: bytes) -> Iterator[Entry]:
    """Yield the entries of whole records. Raises `BadObjectError` if one is damaged."""
    with decoding("the timeline is damaged"):
        for payload in record.split_whole(data):
            yield _decode(payload)


def decode_readable(data: bytes) -> Iterator[Entry]:
    """Yield the entries up to the first that is damaged."""
    with contextlib.suppress(BadObjectError):
        yield from decode_entries(data)


def encode(timeline: Timeline) -> bytes:
    """Return the file of a completed session."""
    return msgspec.json.encode(timeline)


def digest(data: bytes) -> str:
    """Return the digest of the file, as it is in the receipt."""
    return hashlib.sha256(data).hexdigest()


def unknown(manifest: Manifest) -> Timeline:
    """Return the timeline of a session that was completed by a release without timelines."""
    return Timeline(session_id=manifest.session_id, is_complete=False)


def timeline_of(
    manifest: Manifest, checkpoint: Checkpoint, data: bytes, *, is_final: bool = False
) -> Timeline:
    """Return the timeline up to ``checkpoint``, of the entries in ``data``.

    If they are damaged, the timeline is not complete. ``is_final``: the session is completed, and
    what the entries leave open ended with the last chunk.
    """
    builder = _Builder(manifest.pcm_format)
    is_whole = len(data) == checkpoint.timeline_bytes
    try:
        for entry in decode_entries(data):
            builder.add(entry)
    except BadObjectError as error:
        logger.error("%s: the timeline is not complete: error=%s", manifest.session_id, error)  # noqa: TRY400
        is_whole = False
    if is_final:
        last = Opened(checkpoint.written_at, checkpoint.pcm_bytes, checkpoint.chunk_count)
        builder.add(last)
    builder.count_open(checkpoint)
    builder.add_open_pause(checkpoint)
    is_whole = is_whole and not builder.is_full
    return builder.timeline(manifest.session_id, is_complete=is_whole)


class _Builder:
    def __init__(self, pcm_format: PcmFormat) -> None:
        self._frames = pcm_format.frames
        self._connections: dict[int, ConnectionSpan] = {}  # by the number of their entry
        self._open: dict[int, tuple[int, Connected]] = {}
        self._parallel: set[int] = set()  # connections beside which others were open
        self._gaps: list[Gap] = []
        self._pauses: list[Pause] = []
        self._marks: list[Mark] = []
        self._omitted = Omissions()

    @property
    def is_full(self) -> bool:
        lists = (self._connections, self._gaps, self._pauses)  # too many marks are refused
        return self._omitted.count > 0 or any(len(each) >= MAX_ENTRIES for each in lists)

    def add(self, entry: Entry) -> None:
        match entry:
            case Connected():
                place = len(self._connections)
                self._open[entry.connection] = place, entry
                if len(self._open) > 1:
                    self._parallel.update(self._open)
                self._connections[place] = ConnectionSpan(
                    began_at=_time(entry.at),
                    first_frame=self._frames(entry.pcm_bytes),
                    node=entry.node,
                )
            case Disconnected():
                self._end(entry)
            case Opened():
                self._end_all(entry)
            case Late(at, pcm_bytes, seconds):
                gap = Gap(at=_time(at), frame=self._frames(pcm_bytes), seconds=seconds)
                self._gaps.append(gap)
            case Paused():
                self._pauses.append(self._pause(entry, entry.ended))
            case Marked(at, pcm_bytes, label):
                mark = Mark(at=_time(at), frame=self._frames(pcm_bytes), label=label)
                self._marks.append(mark)
            case Omitted(omissions):
                self._omitted = omissions

    def count_open(self, checkpoint: Checkpoint) -> None:
        """Add to open connections what they have sent so far, as far as it is known."""
        for number in self._open:
            self._count(number, checkpoint.pcm_bytes, checkpoint.chunk_count)

    def add_open_pause(self, checkpoint: Checkpoint) -> None:
        pause = checkpoint.pause
        if pause is None:
            return
        chunks = checkpoint.chunk_count - pause.chunk_count
        entry = Paused(
            pause.began_at, 0, checkpoint.pcm_bytes, pause.chunk_count, chunks, pause.input_bytes
        )
        self._pauses.append(self._pause(entry, None))

    def timeline(self, session_id: str, *, is_complete: bool) -> Timeline:
        return Timeline(
            session_id=session_id,
            connections=tuple(self._connections.values()),
            gaps=tuple(self._gaps),
            pauses=tuple(self._pauses),
            marks=tuple(self._marks),
            omitted=self._omitted,
            is_complete=is_complete,
        )

    def _end(self, entry: Disconnected) -> None:
        if entry.connection not in self._open:
            return
        place, _ = self._open.pop(entry.connection)
        self._connections[place] = msgspec.structs.replace(
            self._connections[place],
            ended_at=_time(entry.at),
            frames=self._frames(entry.pcm_bytes),
            chunks=entry.chunks,
            bytes=entry.input_bytes,
        )

    def _end_all(self, entry: Opened) -> None:
        """End what a process that was killed had open."""
        for number, (place, begun) in self._open.items():
            self._count(number, entry.pcm_bytes, entry.chunk_count)
            ended_at = _time(max(entry.last_at, begun.at))
            self._connections[place] = msgspec.structs.replace(
                self._connections[place], ended_at=ended_at
            )
        self._open.clear()

    def _count(self, number: int, pcm_bytes: int, chunk_count: int) -> None:
        """Add what the session got since the connection began, if it was the only one."""
        place, begun = self._open[number]
        if number not in self._parallel:
            self._connections[place] = msgspec.structs.replace(
                self._connections[place],
                frames=self._frames(max(0, pcm_bytes - begun.pcm_bytes)),
                chunks=max(0, chunk_count - begun.chunk_count),
            )

    def _pause(self, entry: Paused, ended: float | None) -> Pause:
        return Pause(
            began_at=_time(entry.began),
            ended_at=None if ended is None else _time(ended),
            frame=self._frames(entry.pcm_bytes),
            first_chunk=entry.first_chunk,
            chunks=entry.chunks,
            bytes=entry.input_bytes,
            seconds=None if ended is None else round(ended - entry.began, 3),
        )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(round(seconds, 3), UTC)
