"""The framer of Ogg (RFC 3533): a page with a wrong length loses only that page.

If a page header states a length that is too large, ffmpeg cannot seek back on a pipe to the next
page, and loses the rest. ffmpeg itself detects damaged content by the checksum of the page.
"""

import re
import zlib
from collections import deque

from api.audio.framing.framer import ContainerFramer, Step

_HEADER_BYTES = 27
_START = re.compile(rb"OggS\x00[\x00-\x07].{8}(?P<serial>.{4})", re.DOTALL)
_START_BYTES = 18
_FIRST_PAGE = 0x02  # a flag of the first page of a logical stream
_LAST_PAGE = 0x04  # and of the last one
_CHECKSUM = slice(22, 26)
_PAGES_PER_STEP = 1000

_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class OggFramer(ContainerFramer):
    """Passes each page on when it is complete.

    The beginning of a page is a sync point. A page that has the beginning of another page of the
    logical stream inside has a wrong length. All logical streams of a file begin before any of
    them goes on (RFC 3533, section 4), so a first page after that begins a new file.
    """

    def __init__(self) -> None:
        super().__init__()
        self._index = _PageIndex()
        self._has_data = False  # a page came that is not the first of its logical stream

    def _whole_part(self) -> bytearray:
        """Return a page of the whole packets.

        Its position is that of the last packet of the page, which ffmpeg takes for a gap in the
        timestamps, and PCM has none.
        """
        if self._is_lost or _START.match(self._buffer) is None:
            return self._buffer
        return _whole_packets(self._buffer) or self._buffer

    def _element(self, *, at_end: bool) -> Step | None:
        buffer = self._buffer
        if not self._index.extend(buffer, self._start):
            return Step(0)
        start = _START.match(buffer)
        if start is None:
            is_decided = at_end or len(buffer) >= _START_BYTES
            return self._foreign(at_end=at_end) if is_decided else None
        is_first = buffer[5] & _FIRST_PAGE
        if is_first and self._has_data:
            return Step(0, ends_file=True)
        if len(buffer) < _HEADER_BYTES or len(buffer) < _HEADER_BYTES + buffer[26]:
            return None
        body = _HEADER_BYTES + buffer[26]
        length = body + sum(buffer[_HEADER_BYTES:body])
        following = self._index.following(start["serial"])
        if following is not None and following <= self._start + length - _START_BYTES:
            return self._lose()
        if len(buffer) < length:
            return None
        self._has_data = self._has_data or not is_first
        return Step(length, bytes(buffer[:length]))

    def _resynchronize(self, *, at_end: bool) -> Step | None:
        if not self._index.extend(self._buffer, self._start):
            return Step(0)
        found = self._index.first
        if found is not None:
            self._is_lost = False
            return Step(found - self._start, is_damage=True)
        skipped = len(self._buffer) - (0 if at_end else _START_BYTES - 1)
        return Step(skipped, is_damage=True) if skipped > 0 else None

    def _consume(self, length: int) -> None:
        super()._consume(length)
        self._index.drop(self._start)


def _whole_packets(page: bytearray) -> bytearray | None:
    """Return a page of the packets that end in this incomplete one; None if there are none."""
    body = _HEADER_BYTES + page[26] if len(page) >= _HEADER_BYTES else len(page)
    segments, packets_end, end = 0, body, body
    for number, length in enumerate(page[_HEADER_BYTES:body], 1):
        end += length
        if end > len(page):
            break
        if length < 255:  # a packet ends (RFC 3533, section 6)
            segments, packets_end = number, end
    if not segments:
        return None
    table = page[_HEADER_BYTES : _HEADER_BYTES + segments]
    found = page[: _HEADER_BYTES - 1] + bytes([segments]) + table + page[body:packets_end]
    found[5] &= ~_LAST_PAGE
    found[_CHECKSUM] = bytes(4)
    found[_CHECKSUM] = _checksum(found).to_bytes(4, "little")
    return found


def _checksum(page: bytearray) -> int:
    """Return the checksum of a page: CRC-32 with the bits in the other order, without inversion."""
    inverted = zlib.crc32(page.translate(_REVERSED_BITS), 0xFFFFFFFF)
    return int(f"{~inverted & 0xFFFFFFFF:032b}"[::-1], 2)


class _PageIndex:
    """The offsets in the stream at which pages begin, by serial number.

    Every page is found once: searching again for each page would be quadratic if a page had the
    beginnings of many other pages inside.
    """

    def __init__(self) -> None:
        self._pages: deque[tuple[int, bytes]] = deque()
        self._by_serial: dict[bytes, deque[int]] = {}
        self._searched = 0  # no other page begins before this offset

    @property
    def first(self) -> int | None:
        return self._pages[0][0] if self._pages else None

    def following(self, serial: bytes) -> int | None:
        """Return the offset of the second page with this serial number."""
        offsets = self._by_serial.get(serial)
        return offsets[1] if offsets is not None and len(offsets) > 1 else None

    def extend(self, buffer: bytearray, start: int) -> bool:
        """Add the pages in ``buffer``, which begins at ``start`` of the stream.

        Return whether all were added; else it has to be called again.
        """
        for _ in range(_PAGES_PER_STEP):
            found = _START.search(buffer, self._searched - start)
            if found is None:
                self._searched = max(self._searched, start + len(buffer) - _START_BYTES + 1)
                return True
            offset, serial = start + found.start(), found["serial"]
            self._pages.append((offset, serial))
            self._by_serial.setdefault(serial, deque()).append(offset)
            self._searched = offset + 1
        return False

    def drop(self, before: int) -> None:
        """Forget the pages before this offset."""
        while self._pages and self._pages[0][0] < before:
            _, serial = self._pages.popleft()
            offsets = self._by_serial[serial]
            offsets.popleft()
            if not offsets:
                del self._by_serial[serial]
        self._searched = max(self._searched, before)
