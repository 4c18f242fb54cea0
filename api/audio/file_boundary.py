"""Where a new file begins in the middle of a stream: a recorder that starts again sends a header.

Chromium's first blob is a single byte when it is asked for one every few milliseconds, so the
beginning of a file may come in several chunks.
"""

from api.audio.detection import SIGNATURE_BYTES, begins_file, may_begin_file
from storage.pcm import Buffer


class FileBoundary:
    """Watches the chunks of one stream, and holds back what may be the beginning of a file."""

    def __init__(self) -> None:
        self._held = b""

    @property
    def is_holding(self) -> bool:
        return bool(self._held)

    def new_file(self, chunk: bytes) -> bytes | None:
        """Return the beginning of the new file if ``chunk`` begins one, else None."""
        if begins_file(chunk):
            return chunk
        if self._held and begins_file(self._held + chunk):
            held, self._held = self._held, b""
            return held + chunk
        return None

    def pass_on(self, chunk: Buffer) -> Buffer:
        """Return the bytes that may go on: those held back and ``chunk``, or none."""
        joined = self._held + bytes(chunk[:SIGNATURE_BYTES])
        if may_begin_file(joined):
            self._held = joined
            return b""
        held, self._held = self._held, b""
        return held + bytes(chunk) if held else chunk

    def release(self) -> bytes:
        """Return what was held back: the stream ends, so no file begins."""
        held, self._held = self._held, b""
        return held
