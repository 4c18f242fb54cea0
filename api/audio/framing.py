"""Only whole, plausible frames reach ffmpeg, for the two formats whose damage ends it.

ffmpeg's demuxers for ADTS and for MP4 give up at the first byte that is not where a
header should be, and exit as if the stream had ended. So their framing is followed here:
undamaged input goes through byte by byte, and what is no frame is skipped up to the next
sync point and counted.
"""

import struct
from typing import Protocol

from api.audio.detect import adts_frame_bytes
from storage.base import Buffer


class Framer(Protocol):
    """Takes bytes cut anywhere, gives what ffmpeg may see of them."""

    skipped_bytes: int

    def feed(self, data: Buffer) -> Buffer: ...

    def finish(self) -> Buffer:
        """What is left, as it is: the cut end of a stream is for ffmpeg to judge."""
        ...


class AdtsFramer:
    """ADTS (ISO/IEC 13818-7, section 6.2): frames of at most 8,191 bytes, back to back.

    A frame is passed on as soon as it is whole. After damage two headers in a row must
    agree on profile, rate and channels before anything is taken for a frame again.
    """

    def __init__(self) -> None:
        self.skipped_bytes = 0
        self._buffer = bytearray()
        self._in_sync = False

    def feed(self, data: Buffer) -> bytes:
        self._buffer += data
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

    def _frame_bytes(self, position: int) -> int | None:
        """Length of the frame at ``position``: 0 if there is none, None if more must be seen."""
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
    """What does not change from frame to frame: profile, rate, channels."""
    return bytes((head[0], head[1], head[2], head[3] & 0xF0))


class Mp4Framer:
    """Fragmented MP4 (ISO/IEC 14496-12): an index, then pairs of ``moof`` and ``mdat``.

    A fragment is passed on when it is whole, everything else as it comes. Where a box
    should begin and none does, or where a fragment's audio contains the next fragment,
    all is skipped up to the next ``moof``.
    """

    _BOXES = frozenset(
        (b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"sidx", b"free", b"skip", b"emsg",
         b"prft", b"pdin", b"mfra", b"uuid", b"wide", b"meta", b"ssix")
    )  # fmt: skip
    _FRAGMENT = b"\x00\x00\x00\x10mfhd"  # the first box inside every moof
    _MAX_HELD_BYTES = 4 * 1024 * 1024  # a longer fragment is passed on as it comes

    def __init__(self) -> None:
        self.skipped_bytes = 0
        self._buffer = bytearray()
        self._pass_left = 0  # bytes of a box that is passed on as it comes; -1: to the end

    def feed(self, data: Buffer) -> bytes:
        self._buffer += data
        out = bytearray()
        while self._buffer and (taken := self._take(out)):
            del self._buffer[:taken]
        return bytes(out)

    def finish(self) -> bytes:
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def _take(self, out: bytearray) -> int:
        """Pass on or skip something at the start of the buffer; gives how many bytes it was."""
        if self._pass_left:
            taken = len(self._buffer) if self._pass_left < 0 else self._pass_left
            part = self._buffer[:taken]
            out += part
            self._pass_left -= len(part) if self._pass_left > 0 else 0
            return len(part)
        if len(self._buffer) < 16:
            return 0
        kind, size = self._box(0)
        if kind not in self._BOXES or (size and size < 8):
            return self._skip()
        if kind == b"moof":
            return self._take_fragment(out, size)
        self._pass_left = size or -1
        return self._take(out)

    def _take_fragment(self, out: bytearray, moof_bytes: int) -> int:
        if self._buffer[8:16] != self._FRAGMENT or moof_bytes > self._MAX_HELD_BYTES:
            return self._skip()
        following = self._next_fragment()
        if len(self._buffer) < moof_bytes + 16:
            return self._skip() if following else 0
        kind, mdat_bytes = self._box(moof_bytes)
        if kind not in self._BOXES:
            return self._skip()
        size = moof_bytes + mdat_bytes
        if kind != b"mdat" or not 0 < mdat_bytes <= self._MAX_HELD_BYTES:
            self._pass_left = moof_bytes
            return self._take(out)
        if 0 < following < size:
            return self._skip()
        if len(self._buffer) < size:
            return 0
        out += self._buffer[:size]
        return size

    def _box(self, position: int) -> tuple[bytes, int]:
        size, kind = struct.unpack_from(">I4s", self._buffer, position)
        if size == 1 and len(self._buffer) >= position + 16:
            (size,) = struct.unpack_from(">Q", self._buffer, position + 8)
        return kind, size

    def _next_fragment(self) -> int:
        """Where the next ``moof`` begins, after the start of the buffer; 0 if none is there."""
        return max(0, self._buffer.find(b"moof" + self._FRAGMENT, 8) - 4)

    def _skip(self) -> int:
        """Skip to the next fragment, or all that cannot be part of its beginning."""
        taken = self._next_fragment() or max(1, len(self._buffer) - 16)
        self.skipped_bytes += taken
        return taken
