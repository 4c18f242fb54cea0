"""Bytes from a WebSocket client, taken one frame at a time (RFC 6455, section 5.2).

Nearly all frames of a session are binary messages of one frame, which need no protocol logic:
`binary_message` returns their payload. The others go to websockets' parser, which thus gets whole
frames only, and after each of them expects the head of the next one. It gets large frames as
fragments.
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

_FINAL = 0x80  # in the first byte
_CONTINUATION = 0x00

# A larger frame comes out in parts of this size, which is a multiple of the mask's.
_FRAGMENT_BYTES = 256 * 1024
_pack_fragment_head = struct.Struct("!BBQ").pack

_OPCODES = frozenset(map(int, Opcode))
_MIN_FRAME_BYTES = 2 + _MASK_BYTES
_HEAD_BYTES = {_LENGTH_OF_16_BITS: 4 + _MASK_BYTES, _LENGTH_OF_64_BITS: 10 + _MASK_BYTES}
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
    """Input that is not parsed yet.

    A large frame comes out as fragments (RFC 6455, section 5.4) as soon as their bytes arrive: to
    copy and unmask 10 MB at once takes up to 30 ms, most of it for memory that is new.
    """

    def __init__(self, data: bytes = b"") -> None:
        super().__init__(data)
        self._rest_bytes = 0  # of the payload of a large frame, whose first part was taken
        self._rest_mask = b""
        self._rest_is_final = False

    def clear(self) -> None:
        super().clear()
        self._rest_bytes = 0

    def has_frame(self, max_payload_bytes: int) -> bool:
        """Return whether :meth:`take` would return anything."""
        return self._next_bytes(max_payload_bytes) is not None

    def take(self, max_payload_bytes: int) -> bytes | None:
        """Remove and return the first frame, or fragment; None as long as it is not complete.

        If the parser refuses the frame by its head, return all input instead: because of its
        opcode, because it is not masked, or because its payload is larger than
        ``max_payload_bytes``.
        """
        size_bytes = self._next_bytes(max_payload_bytes)
        if size_bytes is None:
            return None
        taken = bytes(memoryview(self)[:size_bytes])
        del self[:size_bytes]
        if self._rest_bytes:
            return self._fragment(_CONTINUATION, taken)
        length_bytes = _payload_bytes(taken)
        is_refused = _is_refused(taken, max_payload_bytes)
        if is_refused or length_bytes is None or length_bytes <= _FRAGMENT_BYTES:
            return taken
        self._rest_bytes, self._rest_mask = length_bytes, taken[10:14]
        self._rest_is_final = bool(taken[0] & _FINAL)
        return self._fragment(taken[0] & ~_FINAL, taken[14:])

    def _fragment(self, first: int, masked: bytes) -> bytes:
        """Return the next part of a large frame, whose payload is ``masked``."""
        self._rest_bytes -= len(masked)
        if not self._rest_bytes and self._rest_is_final:
            first |= _FINAL
        head = _pack_fragment_head(first, _MASKED + _LENGTH_OF_64_BITS, len(masked))
        return head + self._rest_mask + masked

    def _next_bytes(self, max_payload_bytes: int) -> int | None:
        """Return how many bytes :meth:`take` would remove."""
        if self._rest_bytes:
            size_bytes = min(self._rest_bytes, _FRAGMENT_BYTES)
            return size_bytes if len(self) >= size_bytes else None
        if len(self) < 2:
            return None
        if _is_refused(self, max_payload_bytes):
            return len(self)
        length_bytes = _payload_bytes(self)
        if length_bytes is None:
            return None
        head_bytes = _HEAD_BYTES.get(self[1] - _MASKED, _MIN_FRAME_BYTES)
        size_bytes = head_bytes + min(length_bytes, _FRAGMENT_BYTES)
        return size_bytes if len(self) >= size_bytes else None


def _is_refused(frame: bytes | bytearray, max_payload_bytes: int) -> bool:
    """Return whether the parser refuses the ``frame`` by what is there of its head."""
    if not frame[1] & _MASKED or frame[0] & _OPCODE_BITS not in _OPCODES:
        return True
    length_bytes = _payload_bytes(frame)
    return length_bytes is not None and length_bytes > max_payload_bytes


def _payload_bytes(frame: bytes | bytearray) -> int | None:
    """Return the length of the payload of the masked ``frame``; None if its head is incomplete."""
    length = frame[1] - _MASKED
    if length == _LENGTH_OF_16_BITS:
        return None if len(frame) < 4 else int(_unpack_16(frame, 2)[0])
    if length == _LENGTH_OF_64_BITS:
        return None if len(frame) < 10 else int(_unpack_64(frame, 2)[0])
    return length
