"""Which worker may write which session of a folder, by file locks (``flock``).

``.active/{session_id}.state/owner`` is locked by the worker that writes the session and names it.
The kernel releases the lock when the process ends, however it ends. So a session has one writer,
and after a crash any worker takes it over at once. A folder with one worker has no such locks: its
own lock excludes other processes.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from storage.errors import OwnedElsewhereError
from storage.local.folder import RecordingsFolder
from storage.service_lock import is_in_place, try_lock
from storage.worker import Worker, worker_number

_ADDRESS_BYTES = 64

# `owner` holds the lock for a moment, so a lock that is refused is tried again.
_TRIES = 4
_PAUSE_SECONDS = 0.002


class Ownership:
    """The sessions that this worker owns. All methods block, `owner` for microseconds only."""

    def __init__(self, folder: RecordingsFolder, worker: Worker | None) -> None:
        """``worker`` None: the only process of the folder, which owns every session."""
        self._folder = folder
        self._worker = worker
        self._locks: dict[UUID, int] = {}

    @contextlib.contextmanager
    def taken(self, session_id: UUID) -> Iterator[None]:
        """Take the session, whose state must exist; give it up if the context raises.

        Raises `OwnedElsewhereError` if another worker owns it, and ``OSError``.
        """
        if self._worker is None:
            yield
            return
        self._locks[session_id] = self._take(session_id, self._worker)
        try:
            yield
        except BaseException:
            self.give_up(session_id)
            raise

    def give_up(self, session_id: UUID) -> None:
        """Allow other workers to take the session."""
        lock = self._locks.pop(session_id, None)
        if lock is not None:
            os.close(lock)

    def owner(self, session_id: UUID) -> str | None:
        """Return the address of the other worker that owns the session; None if there is none."""
        if self._worker is None or session_id in self._locks:
            return None
        try:
            lock = os.open(self._path(session_id), os.O_RDONLY)
        except OSError:
            return None  # no worker has it, or it is not active
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return _address(lock)
        finally:
            os.close(lock)
        return None

    def _take(self, session_id: UUID, worker: Worker) -> int:
        """Return the locked descriptor."""
        path = self._path(session_id)
        address = ""
        for _ in range(_TRIES):
            # Python opens files close-on-exec, so that no decoder keeps the lock.
            lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            # If the owner has removed the file with the state, other processes would not meet
            # the lock.
            if try_lock(lock) and is_in_place(lock, path):
                os.ftruncate(lock, 0)
                os.pwrite(lock, worker.address.encode(), 0)
                return lock
            address = _address(lock)
            os.close(lock)
            time.sleep(_PAUSE_SECONDS)
        raise OwnedElsewhereError(str(session_id), address)

    def _path(self, session_id: UUID) -> Path:
        return self._folder.paths(session_id).owner


def _address(lock: int) -> str:
    """Return the address in the file; empty if it cannot be used."""
    try:
        address = os.pread(lock, _ADDRESS_BYTES, 0).decode()
    except (OSError, UnicodeDecodeError):
        return ""
    return address if worker_number(address) is not None else ""
