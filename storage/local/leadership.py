"""Which worker does what is done once for a folder: the upkeep of the index, and retention."""

import os
from pathlib import Path

from storage.service_lock import try_lock
from storage.worker import Worker


class Leadership:
    """A file lock that one worker holds until it ends. With one process, that is always held."""

    def __init__(self, workers: Path, worker: Worker | None) -> None:
        """``workers`` is the folder of what the workers of the service share."""
        self._path = workers / "leader"
        self._is_alone = worker is None
        self._lock: int | None = None

    @property
    def is_held(self) -> bool:
        return self._is_alone or self._lock is not None

    def take(self) -> bool:
        """Return whether this worker leads, from now on or already. Raises ``OSError``."""
        if self.is_held:
            return True
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if not try_lock(lock):
            os.close(lock)
            return False
        self._lock = lock
        return True

    def give_up(self) -> None:
        """Let another worker lead."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
