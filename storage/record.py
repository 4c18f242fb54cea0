"""Self-checking records, so that a torn or damaged one is noticed.

::

    uint32  CRC-32 of the payload, little endian
    uint32  payload length in bytes
    …       the payload
"""

import struct
import zlib

_PREFIX = struct.Struct("<II")


def encode(payload: bytes) -> bytes:
    return _PREFIX.pack(zlib.crc32(payload), len(payload)) + payload


def decode(record: bytes) -> bytes | None:
    """Return the payload, None if it is damaged. Ignore trailing bytes."""
    if len(record) < _PREFIX.size:
        return None
    checksum, length = _PREFIX.unpack_from(record)
    payload = record[_PREFIX.size : _PREFIX.size + length]
    return payload if len(payload) == length and zlib.crc32(payload) == checksum else None
