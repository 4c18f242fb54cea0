"""The framer of WebM and Matroska (RFC 8794, RFC 9559): damage loses only the blocks it hits.

ffmpeg searches for the next element after damage, but on a pipe the result depends on how much of
the input it has buffered. So it gets no damaged element, and no size of a segment or cluster, which
could be wrong: the framer finds the end of a cluster by the element that follows.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from api.audio.framing.framer import Step
from api.audio.framing.searching import SearchingFramer
from api.audio.framing.webm_blocks import SIMPLE_BLOCK, leading_blocks

_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_INFO, _TRACKS, _ATTACHMENTS = 0x1549A966, 0x1654AE6B, 0x1941A469
_TIMESTAMP, _BLOCK_GROUP, _BLOCK = 0xE7, 0xA0, 0xA1
_TRACK_ENTRY, _TRACK_NUMBER = 0xAE, 0xD7

_PASSED = frozenset((_EBML, _INFO, _TRACKS, _TIMESTAMP, SIMPLE_BLOCK, _BLOCK_GROUP))
# What ffmpeg does not need: seek head, cues, tags, chapters, attachments, CRC-32 and void; in a
# cluster: silent tracks, position, previous size, encrypted block.
_NOT_NEEDED = frozenset(
    (0x114D9B74, 0x1C53BB6B, 0x1254C367, 0x1043A770, _ATTACHMENTS, 0xBF, 0xEC,
     0x5854, 0xA7, 0xAB, 0xAF)
)  # fmt: skip

_KNOWN = _PASSED | _NOT_NEEDED | {_SEGMENT, _CLUSTER}

_SEGMENT_HEADER = b"\x18\x53\x80\x67\x01" + b"\xff" * 7  # of unknown size
_CLUSTER_HEADER = b"\x1f\x43\xb6\x75\x01" + b"\xff" * 7

_MAX_ELEMENT_BYTES = 4 * 1024 * 1024
_MAX_UNKNOWN_BYTES = 64 * 1024  # of an element with an ID that RFC 9559 does not define
_MAX_HEADER_BYTES = 12  # an ID of 4 bytes and a size of 8
_MIN_LARGEST_BYTES = 2048
_MAX_CHILDREN = 100  # of the tracks, and of each track

_SIZE = (
    rb"(?:[\x80-\xff]|[\x40-\x7f].|[\x20-\x3f].{2}|[\x10-\x1f].{3}|[\x08-\x0f].{4}"
    rb"|[\x04-\x07].{5}|[\x02\x03].{6}|\x01.{7})"
)
# An EBML header that begins with one of its fields, such as a version or the document type.
_EBML_PATTERN = rb"\x1a\x45\xdf\xa3" + _SIZE + rb"\x42[\x82\x85-\x87\xf2\xf3\xf7]"
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

# The header of a cluster and its timestamp, which is too short to have a sync point inside.
_CLUSTER_BEGIN = re.compile(
    rb"\x1f\x43\xb6\x75" + _SIZE + rb"(\xe7(?:\x81.|\x82.{2}|\x83.{3}))", re.DOTALL
)
_CLUSTER_BYTE = _CLUSTER >> 24  # the first of its ID


# By the first byte: the number of bytes of an ID or a size; 0: not valid.
_VINT_BYTES = tuple(9 - byte.bit_length() if byte else 0 for byte in range(256))


class _Header(NamedTuple):
    """The ID and the size of an element; ``body_bytes`` is None if the size is unknown."""

    element: int
    header_bytes: int
    body_bytes: int | None


class WebmFramer(SearchingFramer):
    """Passes each block on when it is complete.

    A cluster, or a block that is followed by another element, is a sync point. An
    element that has one inside has a wrong size.
    """

    _pattern_bytes = 27

    def __init__(self) -> None:
        super().__init__()
        self._pattern = _sync_point(frozenset())
        self._has_begun = False
        self._begin = b""  # what ffmpeg got before the first cluster
        self._cluster = b""  # the beginning of the current cluster, with its timestamp
        self._largest_bytes = _MIN_LARGEST_BYTES  # of the blocks so far

    def _head(self) -> bytes | None:
        return self._begin + self._cluster if self._cluster else None

    def _element(self, *, at_end: bool) -> Step | None:
        # Live streams: the beginning of a cluster and whole blocks, or only one of the two.
        is_cluster = self._buffer[0] == _CLUSTER_BYTE
        begin = _CLUSTER_BEGIN.match(self._buffer) if is_cluster else None
        start = begin.end() if begin else 0
        blocks = leading_blocks(self._buffer, start, self._pattern)
        if not (begin or blocks):
            return self._any_element(at_end=at_end)
        if begin:
            self._cluster = _CLUSTER_HEADER + begin[1]
        self._largest_bytes = max((self._largest_bytes, *blocks))
        end = start + sum(blocks)
        return Step(end, (self._cluster if begin else b"") + self._buffer[start:end])

    def _any_element(self, *, at_end: bool) -> Step | None:
        header = _parse_header(self._buffer, 0, len(self._buffer))
        if header is None:
            is_decided = at_end or len(self._buffer) >= _MAX_HEADER_BYTES
            return self._foreign(at_end=at_end) if is_decided else None
        element, header_bytes, body_bytes = header
        if element not in _KNOWN:
            match self._is_foreign(at_end=at_end):
                case None:
                    return None
                case True:
                    return self._foreign(at_end=at_end)
        if element == _EBML and self._has_begun:
            return Step(0, ends_file=True)
        if element == _SEGMENT:
            return Step(header_bytes)
        if element == _CLUSTER:
            return Step(header_bytes, _CLUSTER_HEADER)
        if body_bytes is None:
            return self._lose()
        if element == _ATTACHMENTS:  # files of any kind, also of this one
            return self._drop(header_bytes + body_bytes)
        return self._whole_element(header, header_bytes + body_bytes, at_end=at_end)

    def _whole_element(self, header: _Header, length: int, *, at_end: bool) -> Step | None:
        """Return the step for an element when all its ``length`` bytes are here."""
        element, header_bytes, _ = header
        is_known = element in _KNOWN
        if length > (_MAX_ELEMENT_BYTES if is_known else _MAX_UNKNOWN_BYTES):
            return self._lose()
        is_block = element in {SIMPLE_BLOCK, _BLOCK_GROUP}
        if is_block and not self._is_block(length):
            is_decided = len(self._buffer) >= min(length, self._pattern_bytes)
            return self._lose() if is_decided else None
        inside = self._find_sync_point(1, length, at_end=at_end)
        if not inside.is_whole:
            return self._not_whole(inside)
        if len(self._buffer) < length:
            return None
        if not is_known:
            return self._unknown_element(length, at_end=at_end)
        whole = bytes(self._buffer[:length])
        if element == _TRACKS:
            self._pattern = _sync_point(_track_numbers(whole[header_bytes:]))
        if is_block:
            self._largest_bytes = max(self._largest_bytes, length)
        if element == _EBML:
            self._has_begun = True
            whole += _SEGMENT_HEADER
        self._keep_for_restart(element, whole)
        return Step(length, whole if element in _PASSED else b"")

    def _keep_for_restart(self, element: int, whole: bytes) -> None:
        if element in {_EBML, _INFO, _TRACKS} and not self._cluster:
            self._begin += whole
        if element == _TIMESTAMP:
            self._cluster = _CLUSTER_HEADER + whole

    def _unknown_element(self, length: int, *, at_end: bool) -> Step | None:
        """Drop an element that the standard does not define, if another one follows."""
        match self._is_followed(length, len(self._buffer), is_whole=at_end, at_end=at_end):
            case None:
                return None
            case is_followed:
                return Step(length) if is_followed else self._lose()

    def _rest(self) -> bytes:
        header = _parse_header(self._buffer, 0, len(self._buffer))
        is_passed = header is None or header.element in _PASSED
        return bytes(self._buffer) if is_passed else b""

    def _is_block(self, length: int) -> bool:
        patterns = (self._pattern, _GROUP)
        return any(pattern.match(self._buffer, 0, length) for pattern in patterns)

    def _is_sync_point(
        self, position: int, end: int, *, is_whole: bool, at_end: bool
    ) -> bool | None:
        header = _parse_header(self._buffer, position, end)
        if header is None or header.element in {_EBML, _CLUSTER, _TRACKS}:
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
        if position + self._pattern_bytes > end and not is_whole:
            return None
        if at_end and position == len(self._buffer):
            return True
        patterns = (self._pattern, _FOLLOWING)
        return any(pattern.match(self._buffer, position, end) for pattern in patterns)


def _sync_point(tracks: frozenset[int]) -> re.Pattern[bytes]:
    """Return the pattern of clusters, and of blocks of these tracks (of any track if empty)."""
    numbers = b"|".join(re.escape(_vint(track)) for track in sorted(tracks)) or rb"[\x81-\xfe]"
    # Track, timestamp, flags (RFC 9559, sections 10.1 and 10.2).
    block = rb"(?:" + numbers + rb")..[\x00-\x0f\x80-\x8f]"
    simple = rb"\xa3" + _SIZE + block
    group = rb"\xa0" + _SIZE + rb"\xa1" + _SIZE + block
    return re.compile(
        rb"|".join((_EBML_PATTERN, _CLUSTER_PATTERN, _TRACKS_PATTERN, simple, group)), re.DOTALL
    )


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
    """Yield ID and body of the complete elements in ``data``, at most `_MAX_CHILDREN`."""
    position = 0
    for _ in range(_MAX_CHILDREN):
        header = _parse_header(data, position, len(data))
        if header is None:
            return
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
