"""The boxes of a fragment of MP4 that say how long its audio is (ISO/IEC 14496-12, section 8.8)."""

import struct
import sys
from array import array
from typing import NamedTuple

_MAX_BOXES = 100  # in a moof, and in each of its tracks
_MAX_TRACKS = 1000


class Run(NamedTuple):
    """Consecutive samples of one track (``trun``).

    ``offset`` is where they begin, relative to the base of their track; None: behind the samples
    before. ``size_bytes`` is None if it is not stated.
    """

    offset: int | None
    size_bytes: int | None


class Base(NamedTuple):
    """A stated base of offsets: its place in the ``moof``, and the offset in the file it holds."""

    place: int
    offset: int


class Fragment(NamedTuple):
    """The samples that a ``moof`` describes."""

    runs: tuple[Run, ...]
    bases: tuple[Base, ...]

    @classmethod
    def parse(cls, moof: bytes, tracks: frozenset[int]) -> "Fragment | None":
        """Return the fragment; None if its boxes are inconsistent.

        ``tracks`` are the ids of the tracks that may have fragments; empty: any.
        """
        runs: list[Run] = []
        bases: list[Base] = []
        boxes = _boxes(moof, 8, len(moof))
        track_boxes = [box for box in boxes or () if box.kind == b"traf"]
        for box in track_boxes:
            track = _parse_track(moof, box, tracks)
            if track is None:
                return None
            runs += track.runs
            bases += track.bases
        return cls(tuple(runs), tuple(bases)) if track_boxes else None

    def fits(self, start: int, end: int) -> bool:
        """Return whether the samples fill an ``mdat`` with its audio from ``start`` to ``end``.

        Both are relative to the ``moof``, and so must the offsets of the runs be.
        """
        stated = [run.size_bytes for run in self.runs if run.size_bytes is not None]
        total = sum(stated)
        if total > end - start or (len(stated) == len(self.runs) and total < end - start):
            return False
        return all(
            run.offset is None or start <= run.offset <= end - (run.size_bytes or 0)
            for run in self.runs
        )

    def has_bases(self, offset: int) -> bool:
        """Return whether every stated base is this offset in the file."""
        return all(base.offset == offset for base in self.bases)

    def with_bases(self, moof: bytes, offset: int) -> bytes:
        """Return ``moof`` with this offset in the file as every stated base."""
        moved = bytearray(moof)
        for base in self.bases:
            struct.pack_into(">Q", moved, base.place, offset)
        return bytes(moved)


def box_at(buffer: bytes | bytearray, position: int) -> tuple[bytes, int, int] | None:
    """Return type, length of the header, and size of a box; None if its header is incomplete."""
    if len(buffer) < position + 8:
        return None
    size, kind = struct.unpack_from(">I4s", buffer, position)
    if size != 1:
        return kind, 8, size
    if len(buffer) < position + 16:
        return None
    return kind, 16, struct.unpack_from(">Q", buffer, position + 8)[0]


def track_ids(moov: bytes) -> frozenset[int]:
    """Return the ids of the tracks that may have fragments (``trex``, section 8.8.3)."""
    found: set[int] = set()
    position = 0
    while len(found) < _MAX_TRACKS:
        position = moov.find(b"\x00\x00\x00\x20trex", position)
        if position < 0 or len(moov) < position + 16:
            break
        found.add(struct.unpack_from(">I", moov, position + 12)[0])
        position += 32
    return frozenset(found)


class _Box(NamedTuple):
    """A box, and where its content is."""

    kind: bytes
    start: int
    end: int


def _parse_track(moof: bytes, traf: _Box, tracks: frozenset[int]) -> Fragment | None:
    """Return the samples of one track; None if its boxes are inconsistent.

    The flags of ``tfhd`` and ``trun`` determine their lengths (sections 8.8.7 and 8.8.8).
    """
    header: _TrackHeader | None = None
    runs: list[Run] = []
    for box in _boxes(moof, traf.start, traf.end) or ():
        if box.kind == b"tfhd":
            header = _parse_header(moof, box)
            if header is None or (tracks and header.track not in tracks):
                return None
        elif box.kind == b"trun":
            run = _parse_run(moof[box.start : box.end], header)
            if run is None:
                return None
            runs.append(run)
    return None if header is None else Fragment(tuple(runs), header.bases)


class _TrackHeader(NamedTuple):
    track: int
    sample_bytes: int | None
    bases: tuple[Base, ...]


def _parse_header(moof: bytes, box: _Box) -> _TrackHeader | None:
    """Return the header of a track; None if ``box`` is not a ``tfhd``."""
    length = box.end - box.start
    if length < 8:
        return None
    flags, track = struct.unpack_from(">II", moof, box.start)
    if flags & ~0x03003B:
        return None
    before_size = 8 + 8 * bool(flags & 0x1) + 4 * bool(flags & 0x2) + 4 * bool(flags & 0x8)
    if length != before_size + 4 * bool(flags & 0x10) + 4 * bool(flags & 0x20):
        return None
    (size,) = struct.unpack_from(">I", moof, box.start + before_size) if flags & 0x10 else (None,)
    place = box.start + 8
    bases = (Base(place, *struct.unpack_from(">Q", moof, place)),) if flags & 0x1 else ()
    return _TrackHeader(track, size, bases)


def _parse_run(body: bytes, header: _TrackHeader | None) -> Run | None:
    """Return a run of samples; None if ``body`` is not that of a ``trun``."""
    if len(body) < 8:
        return None
    flags, count = struct.unpack_from(">II", body)
    if flags & ~0x01000F05:
        return None
    fields = [bit for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit]
    start = 8 + 4 * bool(flags & 0x1) + 4 * bool(flags & 0x4)
    if len(body) != start + 4 * len(fields) * count:
        return None
    offset = struct.unpack_from(">i", body, 8)[0] if flags & 0x1 else None
    if 0x200 not in fields:
        default = header.sample_bytes if header else None
        return Run(offset, None if default is None else default * count)
    values = array("I", body[start:])
    if sys.byteorder == "little":
        values.byteswap()
    return Run(offset, sum(values[fields.index(0x200) :: len(fields)]))


def _boxes(data: bytes, start: int, end: int) -> list[_Box] | None:
    """Return the boxes from ``start`` to ``end``; None if they do not fill that."""
    boxes: list[_Box] = []
    position = start
    while position < end:
        box = box_at(data, position)
        if box is None or len(boxes) == _MAX_BOXES:
            return None
        kind, header_bytes, size = box
        if not header_bytes <= size <= end - position:
            return None
        boxes.append(_Box(kind, position + header_bytes, position + size))
        position += size
    return boxes
