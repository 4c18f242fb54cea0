"""Detection of a new file in the middle of a stream: a restarted recorder sends a new header.

The signature may arrive in several chunks: Chromium's recorder delivers a first blob of one byte if
its time slice is a few milliseconds.
"""

from api.audio.detection import SIGNATURE_BYTES, begins_file, may_begin_file
from storage.pcm import Buffer


class FileBoundary:
    """Finds a new file in the chunks of one stream; keeps back a partial signature."""

    def __init__(self) -> None:
        self._partial_signature = b""

    @property
    def has_partial_signature(self) -> bool:
        return bool(self._partial_signature)

    def new_file(self, chunk: bytes) -> bytes | None:
        """Return the beginning of the new file if ``chunk`` begins one, else None."""
        if begins_file(chunk):
            return chunk
        if self._partial_signature and begins_file(self._partial_signature + chunk):
            return self.release() + chunk
        return None

    def pass_on(self, chunk: Buffer) -> Buffer:
        """Return the bytes for the decoder: ``chunk`` after what was kept back, or nothing."""
        joined = self._partial_signature + bytes(chunk[:SIGNATURE_BYTES])
        if may_begin_file(joined):
            self._partial_signature = joined
            return b""
        kept_back = self.release()
        return kept_back + bytes(chunk) if kept_back else chunk

    def release(self) -> bytes:
        """Return the bytes that were kept back and forget them; at the end no file begins."""
        kept_back, self._partial_signature = self._partial_signature, b""
        return kept_back
