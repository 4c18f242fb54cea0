"""The framer of ADTS: one damaged frame loses only that frame."""

from api.audio.detection import ID3_HEADER_BYTES, adts_frame_bytes, tag_bytes
from storage.pcm import Buffer


class AdtsFramer:
    """Frames ADTS (ISO/IEC 13818-7, section 6.2): consecutive frames of at most 8,191 bytes.

    It passes a frame on as soon as it is complete. After damage, two consecutive headers must
    have the same profile, rate and channels before it accepts a frame again.
    """

    def __init__(self) -> None:
        self.skipped_bytes = 0
        self._buffer = bytearray()
        self._in_sync = False
        self._tag_left: int | None = None  # bytes of a leading ID3 tag; None: not known yet

    def feed(self, data: Buffer) -> bytes:
        self._buffer += data
        if not self._is_after_tag():
            return b""
        out, position = bytearray(), 0
        while True:
            length = self._frame_bytes(position)
            if length is None or position + (length or 1) > len(self._buffer):
                break
            if length:
                out += self._buffer[position : position + length]
                position += length
                self._in_sync = True
            else:
                position = self._skip_to_sync_word(position)
        del self._buffer[:position]
        return bytes(out)

    def finish(self) -> bytes:
        rest = bytes(self._buffer) if self._in_sync else b""
        self.skipped_bytes += len(self._buffer) - len(rest)
        self._buffer.clear()
        return rest

    def _is_after_tag(self) -> bool:
        """Drop a leading tag without counting it as damage; return whether its end is reached."""
        if self._tag_left is None:
            if len(self._buffer) < ID3_HEADER_BYTES and b"ID3".startswith(self._buffer[:3]):
                return False
            self._tag_left = tag_bytes(self._buffer) if self._buffer.startswith(b"ID3") else 0
        dropped = min(self._tag_left, len(self._buffer))
        del self._buffer[:dropped]
        self._tag_left -= dropped
        return not self._tag_left

    def _frame_bytes(self, position: int) -> int | None:
        """Return the length of the frame at ``position``; 0: no frame; None: more bytes needed."""
        head = bytes(self._buffer[position : position + 7])
        length = adts_frame_bytes(head)
        if not length or self._in_sync:
            return length
        following = bytes(self._buffer[position + length : position + length + 7])
        length_of_following = adts_frame_bytes(following)
        if not length_of_following:
            return length_of_following
        return length if _fixed_header(head) == _fixed_header(following) else 0

    def _skip_to_sync_word(self, position: int) -> int:
        self._in_sync = False
        found = self._buffer.find(b"\xff", position + 1)
        following = len(self._buffer) if found < 0 else found
        self.skipped_bytes += following - position
        return following


def _fixed_header(head: bytes) -> bytes:
    """Return the header fields that are the same in all frames: profile, rate, channels."""
    return bytes((head[0], head[1], head[2], head[3] & 0xF0))
