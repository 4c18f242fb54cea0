"""The framer of WebM and Matroska (RFC 8794, RFC 9559): damage loses only the blocks it hits.

ffmpeg searches for the next element after damage, but on a pipe the result depends on how much of
the input it has buffered. So it gets no damaged element, and no size of a segment or cluster, which
could be wrong: the framer finds the end of a cluster by the element that follows.
"""

import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from storage.pcm import Buffer

_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_INFO, _TRACKS, _ATTACHMENTS = 0x1549A966, 0x1654AE6B, 0x1941A469
_TIMESTAMP, _SIMPLE_BLOCK, _BLOCK_GROUP, _BLOCK = 0xE7, 0xA3, 0xA0, 0xA1
_TRACK_ENTRY, _TRACK_NUMBER = 0xAE, 0xD7

_PASSED = frozenset((_EBML, _INFO, _TRACKS, _TIMESTAMP, _SIMPLE_BLOCK, _BLOCK_GROUP))
# What ffmpeg does not need: seek head, cues, tags, chapters, attachments, CRC-32 and void; in a
# cluster: silent tracks, position, previous size, encrypted block.
_NOT_NEEDED = frozenset(
    (0x114D9B74, 0x1C53BB6B, 0x1254C367, 0x1043A770, _ATTACHMENTS, 0xBF, 0xEC,
     0x5854, 0xA7, 0xAB, 0xAF)
)  # fmt: skip

_SEGMENT_HEADER = b"\x18\x53\x80\x67\x01" + b"\xff" * 7  # of unknown size
_CLUSTER_HEADER = b"\x1f\x43\xb6\x75\x01" + b"\xff" * 7

_MAX_ELEMENT_BYTES = 4 * 1024 * 1024
_MAX_UNKNOWN_BYTES = 64 * 1024  # of an element with an ID that RFC 9559 does not define
_MAX_HEADER_BYTES = 12  # an ID of 4 bytes and a size of 8
_MAX_PATTERN_BYTES = 27  # the longest match of a pattern
_MIN_LARGEST_BYTES = 2048
_CANDIDATES_PER_STEP = 1000

_SIZE = (
    rb"(?:[\x80-\xff]|[\x40-\x7f].|[\x20-\x3f].{2}|[\x10-\x1f].{3}|[\x08-\x0f].{4}"
    rb"|[\x04-\x07].{5}|[\x02\x03].{6}|\x01.{7})"
)
_CRC = rb"(?:\xbf\x84.{4})?"
_CLUSTER_PATTERN = rb"\x1f\x43\xb6\x75" + _SIZE + _CRC + rb"\xe7[\x81-\x88]"
_TRACKS_PATTERN = rb"\x16\x54\xae\x6b" + _SIZE + _CRC + rb"\xae" + _SIZE
# A block group that does not begin with its block.
_GROUP = re.compile(
    rb"\xa0" + _SIZE + rb"(?:[\x9b\xfb\xfa\xfd\xec\xbf\xa4\x8e]|\x75[\xa1\xa2])", re.DOTALL
)
# The other elements that may follow a block: those with an ID of four bytes, a timestamp, void.
_FOLLOWING = re.compile(
    rb"\x1f\x43\xb6\x75|\x1c\x53\xbb\x6b|\x12\x54\xc3\x67|\x10\x43\xa7\x70|\x19\x41\xa4\x69"
    rb"|\x11\x4d\x9b\x74|\x15\x49\xa9\x66|\x16\x54\xae\x6b|\x1a\x45\xdf\xa3|\xe7[\x81-\x88]"
    rb"|\xec" + _SIZE,
    re.DOTALL,
)


# By the first byte: the number of bytes of an ID or a size; 0: not valid.
_VINT_BYTES = tuple(9 - byte.bit_length() if byte else 0 for byte in range(256))


class _Header(NamedTuple):
    """The ID and the size of an element; ``body_bytes`` is None if the size is unknown."""

    element: int
    header_bytes: int
    body_bytes: int | None


class _Step(NamedTuple):
    """What becomes of the first ``length`` bytes of the buffer."""

    length: int
    output: bytes = b""
    is_damage: bool = False


class _Search(Enum):
    """Why a search for a sync point has no result."""

    NOTHING = "no sync point"
    MORE_BYTES = "more bytes are needed"
    PAUSED = "the search continues in the next step"


class WebmFramer:
    """Implements `api.audio.framing.framer.Framer`: passes each block on when it is complete.

    A cluster, or a block that is followed by another element, is a sync point. After damage, the
    framer continues at the next one. An element that has one inside has a wrong size.
    """

    def __init__(self) -> None:
        self.skipped_bytes = 0
        self._buffer = bytearray()
        self._searched = 0  # the search for a sync point continues here
        self._is_lost = False
        self._drop_left = 0  # bytes of attachments, which may be long
        self._sync_point = _sync_point(frozenset())
        self._largest_bytes = _MIN_LARGEST_BYTES  # of the blocks so far

    def feed(self, data: Buffer) -> bytes:
        self._buffer += data
        return self._run(at_end=False)

    def finish(self) -> bytes:
        out = self._run(at_end=True)
        header = _parse_header(self._buffer, 0, len(self._buffer))
        is_passed = not self._is_lost and (header is None or header.element in _PASSED)
        rest = bytes(self._buffer) if is_passed else b""
        if self._is_lost:
            self.skipped_bytes += len(self._buffer)
        self._buffer.clear()
        return out + rest

    def _run(self, *, at_end: bool) -> bytes:
        out = bytearray()
        while self._buffer and (step := self._step(at_end=at_end)):
            out += step.output
            if step.is_damage:
                self.skipped_bytes += step.length
            if step.length:
                del self._buffer[: step.length]
                self._searched = 0
        return bytes(out)

    def _step(self, *, at_end: bool) -> _Step | None:
        """Return what to do with the start of the buffer; None if it needs more bytes."""
        if self._is_lost:
            return self._resynchronize(at_end=at_end)
        if self._drop_left:
            dropped = min(self._drop_left, len(self._buffer))
            self._drop_left -= dropped
            return _Step(dropped)
        header = _parse_header(self._buffer, 0, len(self._buffer))
        if header is None:
            return self._lose() if len(self._buffer) >= _MAX_HEADER_BYTES else None
        element, header_bytes, body_bytes = header
        if element == _SEGMENT:
            return _Step(header_bytes)
        if element == _CLUSTER:
            return _Step(header_bytes, _CLUSTER_HEADER)
        if body_bytes is None:
            return self._lose()
        if element == _ATTACHMENTS:  # files of any kind, also of this one
            self._drop_left = header_bytes + body_bytes
            return _Step(0)
        return self._step_whole(header, header_bytes + body_bytes, at_end=at_end)

    def _step_whole(self, header: _Header, length: int, *, at_end: bool) -> _Step | None:
        """Return the step for an element when all its ``length`` bytes are here."""
        element, header_bytes, _ = header
        is_known = element in _PASSED or element in _NOT_NEEDED
        if length > (_MAX_ELEMENT_BYTES if is_known else _MAX_UNKNOWN_BYTES):
            return self._lose()
        is_block = element in {_SIMPLE_BLOCK, _BLOCK_GROUP}
        if is_block and not self._is_block(length):
            is_decided = len(self._buffer) >= min(length, _MAX_PATTERN_BYTES)
            return self._lose() if is_decided else None
        found = self._find_sync_point(1, length, at_end=at_end)
        if found is _Search.MORE_BYTES or found is _Search.PAUSED:
            return _Step(0) if found is _Search.PAUSED else None
        is_followed = is_known or self._is_followed(
            length, len(self._buffer), is_whole=at_end, at_end=at_end
        )
        if found is not _Search.NOTHING or is_followed is False:
            return self._lose()
        if len(self._buffer) < length or is_followed is None:
            return None
        whole = bytes(self._buffer[:length])
        if element == _TRACKS:
            self._sync_point = _sync_point(_track_numbers(whole[header_bytes:]))
        if is_block:
            self._largest_bytes = max(self._largest_bytes, length)
        if element == _EBML:
            whole += _SEGMENT_HEADER
        return _Step(length, whole if element in _PASSED else b"")

    def _is_block(self, length: int) -> bool:
        patterns = (self._sync_point, _GROUP)
        return any(pattern.match(self._buffer, 0, length) for pattern in patterns)

    def _lose(self) -> _Step:
        """Give up the element at the start."""
        self._is_lost = True
        return _Step(1, is_damage=True)

    def _resynchronize(self, *, at_end: bool) -> _Step | None:
        """Skip to the next sync point, or all bytes that are before it."""
        found = self._find_sync_point(0, None, at_end=at_end)
        if isinstance(found, int):
            self._is_lost = False
            return _Step(found, is_damage=True)
        if self._searched:
            return _Step(self._searched, is_damage=True)
        return _Step(0) if found is _Search.PAUSED else None

    def _find_sync_point(self, start: int, length: int | None, *, at_end: bool) -> int | _Search:
        """Return the offset of the first sync point from ``start`` on.

        With ``length`` it must lie within the first ``length`` bytes of the buffer.
        """
        end = len(self._buffer) if length is None else min(length, len(self._buffer))
        is_whole = at_end or end == length
        position = max(start, self._searched)
        for _ in range(_CANDIDATES_PER_STEP):
            candidate = self._sync_point.search(self._buffer, position, end)
            undecided = end if is_whole else max(position, end - _MAX_PATTERN_BYTES + 1)
            if candidate is None or candidate.start() >= undecided:
                self._searched = undecided
                return _Search.NOTHING if is_whole else _Search.MORE_BYTES
            position = candidate.start()
            is_sync_point = self._is_sync_point(position, end, is_whole=is_whole, at_end=at_end)
            if is_sync_point is None:
                self._searched = position
                return _Search.MORE_BYTES
            if is_sync_point:
                return position
            position += 1
        self._searched = position
        return _Search.PAUSED

    def _is_sync_point(
        self, position: int, end: int, *, is_whole: bool, at_end: bool
    ) -> bool | None:
        """Return whether the match of the pattern at ``position`` is a sync point.

        None: that depends on bytes after ``end``.
        """
        header = _parse_header(self._buffer, position, end)
        if header is None or header.element in {_CLUSTER, _TRACKS}:
            return header is not None
        if header.body_bytes is None:
            return False
        length = header.header_bytes + header.body_bytes
        if length > 2 * self._largest_bytes:
            return False
        return self._is_followed(position + length, end, is_whole=is_whole, at_end=at_end)

    def _is_followed(self, position: int, end: int, *, is_whole: bool, at_end: bool) -> bool | None:
        """Return whether an element begins at ``position``; None: that needs bytes after ``end``.

        After the last element, the end of the stream is enough.
        """
        if position + _MAX_PATTERN_BYTES > end and not is_whole:
            return None
        if at_end and position == len(self._buffer):
            return True
        patterns = (self._sync_point, _FOLLOWING)
        return any(pattern.match(self._buffer, position, end) for pattern in patterns)


def _sync_point(tracks: frozenset[int]) -> re.Pattern[bytes]:
    """Return the pattern of clusters, and of blocks of these tracks (of any track if empty)."""
    numbers = b"|".join(re.escape(_vint(track)) for track in sorted(tracks)) or rb"[\x81-\xfe]"
    # Track, timestamp, flags (RFC 9559, sections 10.1 and 10.2).
    block = rb"(?:" + numbers + rb")..[\x00-\x0f\x80-\x8f]"
    simple = rb"\xa3" + _SIZE + block
    group = rb"\xa0" + _SIZE + rb"\xa1" + _SIZE + block
    return re.compile(rb"|".join((_CLUSTER_PATTERN, _TRACKS_PATTERN, simple, group)), re.DOTALL)


def _track_numbers(tracks: bytes) -> frozenset[int]:
    """Return the numbers of the tracks in a Tracks element, if they are below 2 ** 14."""
    fields = (
        field
        for element, entry in _children(tracks)
        if element == _TRACK_ENTRY
        for field in _children(entry)
    )
    numbers = (int.from_bytes(body, "big") for element, body in fields if element == _TRACK_NUMBER)
    return frozenset(number for number in numbers if 0 < number < 2**14 - 1)


def _children(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield ID and body of the elements in ``data``, as far as they are complete."""
    position = 0
    while header := _parse_header(data, position, len(data)):
        start = position + header.header_bytes
        if header.body_bytes is None or start + header.body_bytes > len(data):
            return
        position = start + header.body_bytes
        yield header.element, data[start:position]


def _parse_header(data: bytes | bytearray, position: int, end: int) -> _Header | None:
    """Return the header of the element at ``position``; None if there is none before ``end``."""
    if position >= end or not (id_bytes := _VINT_BYTES[data[position]]) or id_bytes > 4:
        return None
    start = position + id_bytes
    if start >= end or not (size_bytes := _VINT_BYTES[data[start]]) or start + size_bytes > end:
        return None
    element = int.from_bytes(data[position:start], "big")
    size = int.from_bytes(data[start : start + size_bytes], "big") & (1 << 7 * size_bytes) - 1
    is_unknown = size == (1 << 7 * size_bytes) - 1
    return _Header(element, id_bytes + size_bytes, None if is_unknown else size)


def _vint(number: int) -> bytes:
    return bytes([0x80 | number]) if number < 0x7F else (0x4000 | number).to_bytes(2, "big")
