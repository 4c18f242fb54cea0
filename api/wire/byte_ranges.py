"""Byte ranges and ETags of a file (RFC 9110, sections 13 and 14)."""

import re
from typing import NamedTuple

from api.wire.errors import RangeNotSatisfiableError

_ONE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class ByteRange(NamedTuple):
    """The bytes from ``start`` to ``stop``, exclusive."""

    start: int
    stop: int

    def content_range(self, size_bytes: int) -> str:
        """Return the value of the Content-Range header for a file of ``size_bytes``."""
        return f"bytes {self.start}-{self.stop - 1}/{size_bytes}"


def parse_range(header: str | None, size_bytes: int) -> ByteRange | None:
    """Return the requested range; None for the whole file.

    A header that is malformed, has another unit, or has several ranges is ignored, as the RFC
    allows. Raises :class:`RangeNotSatisfiableError` if the range begins after the end.
    """
    match = _ONE_RANGE.fullmatch(header.replace(" ", "")) if header else None
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        start, stop = max(0, size_bytes - int(last)), size_bytes
    else:
        start = int(first)
        stop = min(int(last) + 1, size_bytes) if last else size_bytes
        if last and int(last) < start:
            return None
    if start >= size_bytes or start >= stop:
        raise RangeNotSatisfiableError(size_bytes)
    return ByteRange(start, stop)


def is_match(header: str | None, etag: str) -> bool:
    """Return whether If-None-Match names ``etag`` (weak comparison, section 13.1.2)."""
    if header is None:
        return False
    named = [name.strip().removeprefix("W/") for name in header.split(",")]
    return etag in named or "*" in named
