"""The framer of MPEG audio (MP3): finds the end of the file, and drops tags.

ffmpeg itself finds the next frame after damage, so it gets the damaged bytes too.
"""

import re

from api.audio.detection import mpeg_frame_bytes
from api.audio.framing.framer import Step
from api.audio.framing.searching import FrameFramer

_HEADER_BYTES = 4
_FRAMES_PER_STEP = 200


class MpegFramer(FrameFramer):
    """Follows the frames by the lengths in their headers (ISO/IEC 11172-3, section 2.4.2.3).

    It passes bytes on as they arrive. A frame that is followed by one with the same version, layer
    and rate is a sync point. Frames of a free format have no length in the header: there it stays
    lost, and finds no next file.
    """

    _pattern = re.compile(rb"\xff[\xe2-\xff]")
    _pattern_bytes = _HEADER_BYTES
    _passes_damage = True

    def __init__(self) -> None:
        super().__init__()
        self._frame_left = 0  # bytes of a frame that have not arrived yet

    @property
    def finds_files(self) -> bool:
        return super().finds_files and not self._frame_left

    def _element(self, *, at_end: bool) -> Step | None:
        buffer, position = self._buffer, self._frame_left
        header_bytes: int | None = None
        for _ in range(_FRAMES_PER_STEP):
            if position >= len(buffer):
                break
            header_bytes = mpeg_frame_bytes(bytes(buffer[position : position + _HEADER_BYTES]))
            if not header_bytes:
                break
            position += header_bytes
        passed = min(position, len(buffer))
        self._frame_left = position - passed
        if passed:
            return Step(passed, bytes(buffer[:passed]))
        return None if header_bytes is None and not at_end else self._foreign(at_end=at_end)

    def _frame_bytes(self, head: bytes) -> int | None:
        return mpeg_frame_bytes(head)

    def _fixed_header(self, head: bytes) -> bytes:
        """Return version, layer and sample rate."""
        return bytes((head[1] & 0xFE, head[2] & 0x0C))
