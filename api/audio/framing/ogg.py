"""Ogg in front of ffmpeg (RFC 3533): a page whose header lies costs just that page.

On a pipe ffmpeg cannot go back to look for the next page inside one that claims to be
longer than it is, and loses the rest. Damaged content is left to ffmpeg, which checks sums.
"""

from storage.pcm import Buffer

_CAPTURE = b"OggS\x00"
_HEADER_BYTES = 27
_SERIAL = slice(14, 18)


class OggFramer:
    """See `api.audio.framing.framer.Framer`: passes pages on, each as soon as it is whole."""

    def __init__(self) -> None:
        self.skipped_bytes = 0
        self._buffer = bytearray()
        self._searched = 0  # no page of this stream begins before, but at the start

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
        """Length of the page at the start: 0 if there is none, None if more must be seen."""
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
        """Where another page of the same stream begins before ``end``; 0 if nowhere."""
        position = max(1, self._searched)
        while (position := self._buffer.find(_CAPTURE, position, end)) >= 0:
            page = self._buffer[position : position + _HEADER_BYTES]
            if len(page) >= _SERIAL.stop and page[_SERIAL] == self._buffer[_SERIAL]:
                return position
            position += 1
        self._searched = max(0, min(end, len(self._buffer)) - _HEADER_BYTES)
        return 0

    def _skip(self) -> bool:
        """Skip to the next page, or all that cannot be part of one; False if that is nothing."""
        found = self._buffer.find(_CAPTURE, 1)
        skipped = found if found > 0 else max(1, len(self._buffer) - len(_CAPTURE) + 1)
        skipped = min(skipped, len(self._buffer))
        self.skipped_bytes += skipped
        del self._buffer[:skipped]
        self._searched = 0
        return found > 0
