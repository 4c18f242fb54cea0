"""The framer of ADTS: one damaged frame loses only that frame."""

import re

from api.audio.detection import adts_frame_bytes
from api.audio.framing.framer import SearchingFramer, Step

_HEADER_BYTES = 7


class AdtsFramer(SearchingFramer):
    """Frames ADTS (ISO/IEC 13818-7, section 6.2): consecutive frames of at most 8,191 bytes.

    It passes a frame on as soon as it is complete. A frame that is followed by one with the same
    profile, rate and channels is a sync point. HLS has an ID3 tag in front of each segment
    (RFC 8216, section 3.4).
    """

    _pattern = re.compile(rb"\xff[\xf0\xf1\xf8\xf9]")
    _pattern_bytes = _HEADER_BYTES

    def _element(self, *, at_end: bool) -> Step | None:
        length = adts_frame_bytes(bytes(self._buffer[:_HEADER_BYTES]))
        if length is None:
            return None
        if not length:
            return self._foreign(at_end=at_end)
        inside = self._find_sync_point(1, length, at_end=at_end)
        if not inside.is_whole:
            return self._not_whole(inside)
        return Step(length, bytes(self._buffer[:length])) if len(self._buffer) >= length else None

    def _is_sync_point(
        self, position: int, end: int, *, is_whole: bool, at_end: bool
    ) -> bool | None:
        head = bytes(self._buffer[position : min(end, position + _HEADER_BYTES)])
        length = adts_frame_bytes(head)
        if not length:
            return None if length is None and not is_whole else False
        position += length
        if at_end and position == len(self._buffer):
            return True
        if position + _HEADER_BYTES > end:
            return False if is_whole else None
        following = bytes(self._buffer[position : position + _HEADER_BYTES])
        return adts_frame_bytes(following) != 0 and _fixed_header(head) == _fixed_header(following)


def _fixed_header(head: bytes) -> bytes:
    """Return the header fields that are the same in all frames: profile, rate, channels."""
    return bytes((head[0], head[1], head[2], head[3] & 0xF0))
