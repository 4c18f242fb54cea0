"""How much audio waits to be persisted, and for how long: what the loss of the node would cost."""

import time

import msgspec

from storage.checkpoint import Checkpoint
from storage.observer import IGNORE, Observer


class Unpersisted(msgspec.Struct, frozen=True):
    """``pcm_bytes`` of audio, the oldest of them recorded ``seconds`` ago."""

    pcm_bytes: int = 0
    seconds: float = 0.0


class Watermark:
    """Measures how long the oldest unpersisted audio waits, never too short a time."""

    __slots__ = (
        "_observer",
        "since",
    )

    def __init__(self, observer: Observer = IGNORE) -> None:
        self.since: float | None = None  # when the oldest unpersisted audio was recorded
        self._observer = observer

    def recorded(self) -> None:
        """Note that audio was recorded now."""
        if self.since is None:
            self.since = time.monotonic()

    def persisted(self, *, until: float, is_all: bool) -> None:
        """Note that audio recorded before ``until`` is persisted.

        ``is_all``: nothing is unpersisted any more.
        """
        if self.since is not None:
            self._observer.persisted(time.monotonic() - self.since)
        self.since = None if is_all else until

    def level(self, checkpoint: Checkpoint, persisted: Checkpoint) -> Unpersisted:
        since = self.since if self.since is not None else time.monotonic()
        seconds = time.monotonic() - since if checkpoint != persisted else 0.0
        return Unpersisted(checkpoint.pcm_bytes - persisted.pcm_bytes, seconds)
