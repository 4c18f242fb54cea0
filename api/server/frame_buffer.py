"""Bytes from a WebSocket client, taken one whole frame at a time (RFC 6455, section 5.2).

Nearly all frames of a session are binary messages of one frame, which need no protocol logic:
`binary_message` returns their payload. The others go to websockets' parser, which thus gets whole
frames only, and after each of them expects the head of the next one.
"""

import struct

from websockets.frames import Opcode
from websockets.speedups import apply_mask

_FINAL_BINARY = 0x82  # the first byte: FIN, no reserved bit, opcode 2
_OPCODE_BITS = 0x0F
_MASKED = 0x80  # in the second byte; the other bits are a length up to 125, or one of these:
_LENGTH_OF_16_BITS = 126
_LENGTH_OF_64_BITS = 127
_MASK_BYTES = 4

_OPCODES = frozenset(map(int, Opcode))
_MIN_FRAME_BYTES = 2 + _MASK_BYTES
_unpack_head = struct.Struct("!BBH").unpack_from  # with a length of 16 bits, if it has one
_unpack_16 = struct.Struct("!H").unpack_from
_unpack_64 = struct.Struct("!Q").unpack_from


def binary_message(data: bytes) -> bytes | None:
    """Return the payload if ``data`` is a masked frame with a whole binary message, and no more.

    This is the hot path: C code unmasks, and the head is a few comparisons.
    """
    size_bytes = len(data)
    if size_bytes < _MIN_FRAME_BYTES:
        return None
    first, second, length = _unpack_head(data)
    if first != _FINAL_BINARY:
        return None
    if second == _MASKED + _LENGTH_OF_16_BITS:  # as nearly all are
        return apply_mask(data[8:], data[4:8]) if size_bytes == 8 + length else None
    if second == _MASKED + _LENGTH_OF_64_BITS and size_bytes > 10:
        (length,) = _unpack_64(data, 2)
        return apply_mask(data[14:], data[10:14]) if size_bytes == 14 + length else None
    # Other lengths are in the second byte; without a mask it is too small.
    return apply_mask(data[6:], data[2:6]) if size_bytes == 6 + second - _MASKED else None


class FrameBuffer(bytearray):
    """Input that is not parsed yet."""

    def has_frame(self, max_payload_bytes: int) -> bool:
        """Return whether :meth:`take` would return anything."""
        return self._frame_bytes(max_payload_bytes) is not None

    def take(self, max_payload_bytes: int) -> bytes | None:
        """Remove and return the first frame; None as long as it is not complete.

        If the parser refuses the frame by its head, return all input instead: because of its
        opcode, because it is not masked, or because its payload is larger than
        ``max_payload_bytes``.
        """
        size_bytes = self._frame_bytes(max_payload_bytes)
        if size_bytes is None:
            return None
        frame = bytes(memoryview(self)[:size_bytes])
        del self[:size_bytes]
        return frame

    def _frame_bytes(self, max_payload_bytes: int) -> int | None:
        if len(self) < 2:
            return None
        if not self[1] & _MASKED or self[0] & _OPCODE_BITS not in _OPCODES:
            return len(self)
        length, head_bytes = self[1] - _MASKED, 2 + _MASK_BYTES
        if length == _LENGTH_OF_16_BITS:
            if len(self) < 4:
                return None
            (length,) = _unpack_16(self, 2)
            head_bytes += 2
        elif length == _LENGTH_OF_64_BITS:
            if len(self) < 10:
                return None
            (length,) = _unpack_64(self, 2)
            head_bytes += 8
        if length > max_payload_bytes:
            return len(self)
        size_bytes = head_bytes + length
        return size_bytes if len(self) >= size_bytes else None
