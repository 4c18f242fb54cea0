"""The interface of the framers."""

from typing import Protocol

from storage.pcm import Buffer


class Framer(Protocol):
    """Accepts bytes cut anywhere and returns the complete frames in them."""

    skipped_bytes: int

    def feed(self, data: Buffer) -> Buffer:
        """Return the bytes for ffmpeg that ``data`` completes."""
        ...

    def finish(self) -> Buffer:
        """Return the rest unchanged: ffmpeg decides what an incomplete last frame is worth."""
        ...
