"""The framer of FLAC (RFC 9639): finds the end of the file, and drops tags.

ffmpeg itself finds the next frame after damage, so it gets the damaged bytes too.
"""

import re
from typing import NamedTuple

from api.audio.detection import MP4_ZEROS, ZEROS
from api.audio.framing.framer import Step
from api.audio.framing.searching import SearchingFramer

_MAGIC = b"fLaC"
_BLOCK_HEADER_BYTES = 4
_BEGIN_BYTES = len(_MAGIC) + _BLOCK_HEADER_BYTES
_STREAMINFO_BYTES = 34
_STREAMINFO = re.compile(_MAGIC + rb"[\x00\x80]\x00\x00\x22.{34}", re.DOTALL)
_IS_LAST = 0x80  # in the first byte of a metadata block

_MAX_HEADER_BYTES = 16  # of a frame
_SUBFRAME_HEADER_BYTES = 8
_CHECKED_PER_STEP = 16 * 1024

# What is in front of the FLAC frames of another file. A frame that has one of these inside may in
# truth be the last frame of this file and the beginning of another one.
_CONTAINERS = (_MAGIC, b"OggS", b"\x1a\x45\xdf\xa3", b"ftyp")


def _crc_table(polynomial: int, bits: int) -> tuple[int, ...]:
    """Return the checksum of each byte; the most significant bit comes first."""
    table = []
    for byte in range(256):
        value = byte << bits - 8
        for _ in range(8):
            value = value << 1 ^ (polynomial if value >> bits - 1 else 0)
            value &= (1 << bits) - 1
        table.append(value)
    return tuple(table)


_CRC8 = _crc_table(0x07, 8)
_CRC16 = _crc_table(0x8005, 16)


class _FrameHeader(NamedTuple):
    """``constant`` has the fields that are the same in all frames of a file."""

    constant: tuple[int, int, int]
    number: int  # of the frame, or of its first sample


class FlacFramer(SearchingFramer):
    """Passes each frame on when the next one begins.

    A frame has no length in its header. It ends where a header of the same stream with a higher
    number begins. If none comes within the maximum size of a frame, this is the last frame: it
    ends where its checksum is right and a file or a tag begins. A stream that does not begin with
    STREAMINFO is passed on as it is.
    """

    _pattern = re.compile(rb"\xff[\xf8\xf9]")
    _pattern_bytes = _MAX_HEADER_BYTES
    _passes_damage = True

    def __init__(self) -> None:
        super().__init__()
        self._is_in_metadata = True
        self._pass_left = 0  # bytes of a metadata block that is passed on as it arrives
        self._search_bytes = 0  # within which the next frame begins; 0: STREAMINFO is not read yet
        self._frame: _FrameHeader | None = None  # the last one
        self._is_in_frame = False
        self._may_be_two = False  # files: a container begins in the bytes of this frame
        self._checked = 0  # bytes of this frame with the checksum `_crc`
        self._crc = 0

    @property
    def finds_files(self) -> bool:
        return super().finds_files and not self._pass_left

    def _consume(self, length: int) -> None:
        super()._consume(length)
        self._is_in_frame = self._may_be_two = False
        self._checked = self._crc = 0

    def _element(self, *, at_end: bool) -> Step | None:
        if self._pass_left:
            passed = min(self._pass_left, len(self._buffer))
            self._pass_left -= passed
            return Step(passed, bytes(self._buffer[:passed]))
        if not self._search_bytes:
            return self._begin()
        return self._metadata() if self._is_in_metadata else self._whole_frame(at_end=at_end)

    def _begin(self) -> Step | None:
        """Read STREAMINFO (RFC 9639, section 8.2), the first metadata block."""
        if len(self._buffer) < _BEGIN_BYTES + _STREAMINFO_BYTES:
            return None
        if _STREAMINFO.match(self._buffer) is None:
            return self._lose()
        info = self._buffer[_BEGIN_BYTES:]
        block_samples = int.from_bytes(info[2:4])
        channels = (info[12] >> 1 & 0x07) + 1
        sample_bits = ((info[12] & 1) << 4 | info[13] >> 4) + 1
        # Samples as they are; those of a channel may be differences, with one bit more.
        subframe_bytes = _SUBFRAME_HEADER_BYTES + block_samples * (sample_bits + 1) // 8
        self._search_bytes = 2 * _MAX_HEADER_BYTES + channels * subframe_bytes
        self._is_in_metadata = not self._buffer[len(_MAGIC)] & _IS_LAST
        self._pass_left = _BEGIN_BYTES + _STREAMINFO_BYTES
        return Step(0)

    def _metadata(self) -> Step | None:
        if len(self._buffer) < _BLOCK_HEADER_BYTES:
            return None
        self._is_in_metadata = not self._buffer[0] & _IS_LAST
        self._pass_left = _BLOCK_HEADER_BYTES + int.from_bytes(self._buffer[1:_BLOCK_HEADER_BYTES])
        return Step(0)

    def _whole_frame(self, *, at_end: bool) -> Step | None:
        if not self._is_in_frame:
            frame = _parse_header(self._buffer, 0, len(self._buffer))
            if frame is None:
                is_decided = at_end or len(self._buffer) >= _MAX_HEADER_BYTES
                return self._foreign(at_end=at_end) if is_decided else None
            self._frame, self._is_in_frame = frame, True
        found = self._find_sync_point(1, self._search_bytes, at_end=at_end)
        if found.position is None and not found.is_whole:
            return self._not_whole(found)
        end = found.position
        if end is None:
            return self._checked_frame(None, at_end=at_end)
        self._searched = end
        self._may_be_two = self._may_be_two or any(
            self._buffer.find(magic, 0, end) >= 0 for magic in _CONTAINERS
        )
        if self._may_be_two:
            return self._checked_frame(end, at_end=at_end)
        return Step(end, bytes(self._buffer[:end]))

    def _checked_frame(self, following: int | None, *, at_end: bool) -> Step | None:
        """Return the step for a frame that must have the right checksum.

        ``following`` is where the next header seems to begin; None: this is the last frame, or its
        successor is damaged. It reads each byte once, not too many in a step.
        """
        if self._checked and not self._crc:
            ends_here = self._checked == following or self._is_foreign(self._checked, at_end=at_end)
            if ends_here is None:
                return None
            if ends_here:
                return Step(self._checked, bytes(self._buffer[: self._checked]))
        stop = min(following or self._search_bytes, len(self._buffer))
        if self._checked < stop:
            self._add_to_checksum(min(stop, self._checked + _CHECKED_PER_STEP))
            return Step(0)
        if following is not None:
            self._searched = following + 1
            return Step(0)
        return None if at_end else self._lose()

    def _add_to_checksum(self, stop: int) -> None:
        """Continue the checksum (RFC 9639, section 9.3) to ``stop``, or to where it is right.

        Behind zeros it stays right. Nothing begins with more than three.
        """
        crc = self._crc
        if not crc and (match := ZEROS.match(self._buffer, self._checked, stop)):
            self._checked = max(self._checked, match.end() - MP4_ZEROS)
        for byte in self._buffer[self._checked : stop]:
            crc = crc << 8 & 0xFF00 ^ _CRC16[crc >> 8 ^ byte]
            self._checked += 1
            if not crc:
                break
        self._crc = crc

    def _is_sync_point(
        self, position: int, end: int, *, is_whole: bool, at_end: bool
    ) -> bool | None:
        del is_whole, at_end
        header = _parse_header(self._buffer, position, end)
        if header is None or not self._search_bytes:
            return False
        last = self._frame
        return last is None or (header.constant == last.constant and header.number > last.number)


def _parse_header(data: bytearray, position: int, end: int) -> _FrameHeader | None:
    """Return the frame header at ``position`` (RFC 9639, section 9.1).

    None: there is none, or it is not complete before ``end``.
    """
    head = bytes(data[position : min(end, position + _MAX_HEADER_BYTES)])
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xFE != 0xF8:
        return None
    block, rate, channels, bits = head[2] >> 4, head[2] & 0x0F, head[3] >> 4, head[3] & 0x0F
    if not block or rate == 15 or channels > 10 or bits in {6, 7} or bits & 1:
        return None
    number_bytes = _coded_bytes(head[4])
    size = 4 + number_bytes + _BLOCK_BYTES.get(block, 0) + _RATE_BYTES.get(rate, 0)
    if not number_bytes or size >= len(head):
        return None
    crc = 0
    for byte in head[: size + 1]:
        crc = _CRC8[crc ^ byte]
    if crc:
        return None
    number = head[4] & (0x7F if number_bytes == 1 else 0x7F >> number_bytes)
    for byte in head[5 : 4 + number_bytes]:
        number = number << 6 | byte & 0x3F
    return _FrameHeader((head[1], rate, bits), number)


# The bytes behind the coded number, by the value of the field.
_BLOCK_BYTES = {6: 1, 7: 2}
_RATE_BYTES = {12: 1, 13: 2, 14: 2}


def _coded_bytes(first: int) -> int:
    """Return the length of a number that is coded like UTF-8; 0: it is not valid."""
    ones = 8 - (first ^ 0xFF).bit_length()
    return {0: 1, 1: 0, 8: 0}.get(ones, ones)
