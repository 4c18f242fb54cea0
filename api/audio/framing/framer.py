"""What stands in front of ffmpeg for the formats whose damage ends it."""

from typing import Protocol

from storage.pcm import Buffer


class Framer(Protocol):
    """Takes bytes cut anywhere, gives what ffmpeg may see of them."""

    skipped_bytes: int

    def feed(self, data: Buffer) -> Buffer: ...

    def finish(self) -> Buffer:
        """What is left, as it is: the cut end of a stream is for ffmpeg to judge."""
        ...
