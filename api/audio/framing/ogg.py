"""The framer of Ogg (RFC 3533): a page with a wrong length loses only that page.

If a page header states a length that is too large, ffmpeg cannot seek back on a pipe to the next
page, and loses the rest. ffmpeg itself detects damaged content by the checksum of the page.
"""

from storage.pcm import Buffer

_CAPTURE = b"OggS\x00"
_HEADER_BYTES = 27
_SERIAL = slice(14, 18)


class OggFramer:
    """Implements `api.audio.framing.framer.Framer`: passes each page on when it is complete."""

    def __init__(self) -> None:
        self.skipped_bytes = 0
        self._buffer = bytearray()
        self._searched = 0  # no page of this stream begins before this offset, except at 0

    def feed(self, data: Buffer) -> bytes:
        self._buffer += data
        out = bytearray()
        while True:
            length = self._page_bytes()
            if length is None:
                return bytes(out)
            if length:
                out += self._buffer[:length]
                del self._buffer[:length]
                self._searched = 0
            elif not self._skip():
                return bytes(out)

    def finish(self) -> bytes:
        rest = bytes(self._buffer) if self._buffer.startswith(_CAPTURE) else b""
        self.skipped_bytes += len(self._buffer) - len(rest)
        self._buffer.clear()
        return rest

    def _page_bytes(self) -> int | None:
        """Return the length of the page at the start; 0: no page; None: more bytes needed."""
        buffer = self._buffer
        if not buffer.startswith(_CAPTURE):
            return None if len(buffer) < len(_CAPTURE) and _CAPTURE.startswith(buffer) else 0
        if len(buffer) < _HEADER_BYTES or len(buffer) < _HEADER_BYTES + buffer[26]:
            return None
        body = _HEADER_BYTES + buffer[26]
        length = body + sum(buffer[_HEADER_BYTES:body])
        if self._next_page(length):
            return 0
        return length if len(buffer) >= length else None

    def _next_page(self, end: int) -> int:
        """Return the offset of another page of the same stream before ``end``; 0: none."""
        position = max(1, self._searched)
        while (position := self._buffer.find(_CAPTURE, position, end)) >= 0:
            page = self._buffer[position : position + _HEADER_BYTES]
            if len(page) >= _SERIAL.stop and page[_SERIAL] == self._buffer[_SERIAL]:
                return position
            position += 1
        self._searched = max(0, min(end, len(self._buffer)) - _HEADER_BYTES)
        return 0

    def _skip(self) -> bool:
        """Skip to the next page, or all bytes that cannot be the start of one.

        Returns whether a page was found.
        """
        found = self._buffer.find(_CAPTURE, 1)
        skipped = found if found > 0 else max(1, len(self._buffer) - len(_CAPTURE) + 1)
        skipped = min(skipped, len(self._buffer))
        self.skipped_bytes += skipped
        del self._buffer[:skipped]
        self._searched = 0
        return found > 0
