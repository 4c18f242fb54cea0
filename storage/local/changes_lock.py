"""The lock under which a completed session is changed, or its deletion begins.

It is one lock for all sessions and processes of the service, so it is held for a moment only.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from storage.errors import StorageUnavailableError
from storage.service_lock import open_lock, try_lock

_WAIT_SECONDS = 2.0
_PAUSE_SECONDS = 0.005


class ChangesLock:
    """A file lock. Waiting for it blocks."""

    def __init__(self, path: Path, *, wait_seconds: float = _WAIT_SECONDS) -> None:
        """``wait_seconds``: how long to wait for another process, which may be suspended."""
        self._path = path
        self._wait_seconds = wait_seconds

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock. Raises `StorageUnavailableError` and ``OSError``."""
        descriptor = open_lock(self._path)
        try:
            until = time.monotonic() + self._wait_seconds
            while not try_lock(descriptor):
                if time.monotonic() > until:
                    raise StorageUnavailableError("another process changes a session, try again")
                time.sleep(_PAUSE_SECONDS)
            yield
        finally:
            os.close(descriptor)
