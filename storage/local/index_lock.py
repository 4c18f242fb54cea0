"""The lock on the index, between threads and between processes (``flock``)."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from storage.service_lock import open_lock


class IndexLock:
    """Shared by all that use the index, exclusive for replacing it or removing its rows.

    The creation of a session shares it from before its row is written until its manifest is. So
    with the exclusive lock, every row without a manifest is stale, and every session whose row
    went into a file that was replaced has a manifest that a look at the folder finds.

    A process that was suspended may never release the lock. So nothing waits for longer than
    ``wait_seconds``; then it raises ``BlockingIOError``.
    """

    def __init__(self, folder: Path, wait_seconds: float) -> None:
        self._folder = folder
        self._wait_seconds = wait_seconds

    @contextlib.contextmanager
    def shared(self) -> Iterator[int]:
        """Wait for the lock; yield its descriptor. Raises ``OSError``."""
        with contextlib.ExitStack() as stack:
            # A process that waits for the exclusive lock holds the gate, so that processes that
            # share the lock in turn cannot keep it waiting without end.
            with self._locked("gate", fcntl.LOCK_SH):
                lock = stack.enter_context(self._locked("lock", fcntl.LOCK_SH))
            yield lock

    def is_in_place(self, lock: int) -> bool:
        """Return whether other processes still meet this lock: its file was not removed."""
        try:
            return os.path.samestat(os.fstat(lock), (self._folder / "lock").stat())
        except OSError:
            return False

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Wait for the lock. Raises ``OSError``."""
        with self._locked("gate", fcntl.LOCK_EX), self._locked("lock", fcntl.LOCK_EX):
            yield

    @contextlib.contextmanager
    def exclusive_at_once(self) -> Iterator[None]:
        """Do not wait. Raises ``OSError``."""
        with self._locked("lock", fcntl.LOCK_EX, wait_seconds=0.0):
            yield

    @contextlib.contextmanager
    def _locked(
        self, name: str, operation: int, wait_seconds: float | None = None
    ) -> Iterator[int]:
        wait_seconds = self._wait_seconds if wait_seconds is None else wait_seconds
        lock = open_lock(self._folder / name)
        try:
            _lock(lock, operation, wait_seconds)
            yield lock
        finally:
            os.close(lock)


def _lock(descriptor: int, operation: int, wait_seconds: float) -> None:
    """Lock within the time, or raise ``BlockingIOError``: ``flock`` itself has no time limit."""
    deadline = time.monotonic() + wait_seconds
    pause_seconds = 0.001
    while True:
        try:
            fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, 0.02)
