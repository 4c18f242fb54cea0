"""Self-checking records, so that a torn or damaged one is noticed.

::

    uint32  CRC-32 of the payload, little endian
    uint32  payload length in bytes
    …       the payload
"""

import struct
import zlib
from collections.abc import Iterator

_PREFIX = struct.Struct("<II")
PREFIX_BYTES = _PREFIX.size


def encode(payload: bytes) -> bytes:
    return _PREFIX.pack(zlib.crc32(payload), len(payload)) + payload


def decode(record: bytes | memoryview) -> bytes | None:
    """Return the payload, None if it is damaged. Ignore trailing bytes."""
    if len(record) < _PREFIX.size:
        return None
    checksum, length = _PREFIX.unpack_from(record)
    payload = bytes(record[_PREFIX.size : _PREFIX.size + length])
    return payload if len(payload) == length and zlib.crc32(payload) == checksum else None


def split(records: bytes) -> Iterator[bytes]:
    """Yield the payloads of consecutive records, up to the first that is damaged."""
    rest = memoryview(records)
    while (payload := decode(rest)) is not None:
        yield payload
        rest = rest[_PREFIX.size + len(payload) :]


def split_whole(records: bytes) -> Iterator[bytes]:
    """Yield the payloads of consecutive records. Raises ``ValueError`` after them if more follows.

    That is a damaged record, or the first part of one.
    """
    size_bytes = 0
    for payload in split(records):
        size_bytes += PREFIX_BYTES + len(payload)
        yield payload
    if size_bytes != len(records):
        raise ValueError(f"no record at byte {size_bytes}")
