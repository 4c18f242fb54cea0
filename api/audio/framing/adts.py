"""The framer of ADTS: one damaged frame loses only that frame."""

import re

from api.audio.detection import adts_frame_bytes
from api.audio.framing.framer import Step
from api.audio.framing.searching import FrameFramer

_HEADER_BYTES = 7
_CHECKSUM_BYTES = 2
_CHANNEL_LIST = 5  # the type of the element
_CHANNEL_LIST_BYTES = 36  # of the longest one, without its comment and what is behind the channels


class AdtsFramer(FrameFramer):
    """Frames ADTS (ISO/IEC 13818-7, section 6.2): consecutive frames of at most 8,191 bytes.

    It passes a frame on as soon as it is complete. A frame that is followed by one with the same
    profile, rate and channels is a sync point. HLS has an ID3 tag in front of each segment
    (RFC 8216, section 3.4).
    """

    _pattern = re.compile(rb"\xff[\xf0\xf1\xf8\xf9]")
    _pattern_bytes = _HEADER_BYTES

    def _head(self) -> bytes:
        return b""

    def _element(self, *, at_end: bool) -> Step | None:
        length = adts_frame_bytes(bytes(self._buffer[:_HEADER_BYTES]))
        if length is None:
            return None
        if not length:
            return self._foreign(at_end=at_end)
        inside = self._find_sync_point(1, length, at_end=at_end)
        if not inside.is_whole:
            return self._not_whole(inside)
        if len(self._buffer) < length:
            return None
        frame = bytes(self._buffer[:length])
        return Step(length, frame, is_damage=_has_other_channels(frame))

    def _frame_bytes(self, head: bytes) -> int | None:
        return adts_frame_bytes(head)

    def _fixed_header(self, head: bytes) -> bytes:
        """Return profile, rate and channels."""
        return bytes((head[0], head[1], head[2], head[3] & 0xF0))


def _has_other_channels(frame: bytes) -> bool:
    """Return whether the frame begins with a list of other channels than its header says.

    Damage can look like such a list (``program_config_element``, ISO/IEC 13818-7, section 6.3).
    Then ffmpeg cannot mix the channels, and exits.
    """
    config = (frame[2] & 1) << 2 | frame[3] >> 6
    body = frame[_HEADER_BYTES if frame[1] & 1 else _HEADER_BYTES + _CHECKSUM_BYTES :]
    if not config or not body or body[0] >> 5 != _CHANNEL_LIST:
        return False
    # Behind the type, the instance, the profile and the rate: how many elements of each kind.
    bits = int.from_bytes(body[:_CHANNEL_LIST_BYTES].ljust(_CHANNEL_LIST_BYTES, b"\0"))
    left = 8 * _CHANNEL_LIST_BYTES - 13

    def take(count: int) -> int:
        nonlocal left
        left -= count
        return bits >> left & (1 << count) - 1

    elements = take(4) + take(4) + take(4)  # front, side, back
    low_frequency = take(2)
    take(3 + 4)
    for mixdown_bits in (4, 4, 3):  # mono, stereo, matrix
        if take(1):
            take(mixdown_bits)
    channels = low_frequency
    for _ in range(elements):
        channels += 1 + take(1)  # a pair
        take(4)
    return channels != (config if config < 7 else 8)
