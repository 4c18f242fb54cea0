"""The lock of a folder that belongs to one service: ``.lock``, with ``flock``.

A service of several workers locks it once. Its processes inherit the open file, so that the lock
lasts until the last of them has ended.
"""

import fcntl
import os
from pathlib import Path

from storage import files
from storage.errors import StorageUnavailableError


def lock_folder(folder: Path) -> int:
    """Create and lock the folder; return the descriptor that holds the lock.

    Raises `StorageUnavailableError`, also if another service has the folder.
    """
    with files.translated_errors():
        folder.mkdir(parents=True, exist_ok=True)
        lock = open_lock(folder / ".lock")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise StorageUnavailableError(
            f"{folder} is in use by another process; one folder has one writer"
        ) from error
    except OSError as error:
        os.close(lock)
        raise StorageUnavailableError(str(error)) from error
    return lock


def try_lock(lock: int) -> bool:
    """Lock an open file; return False if another process has it. Raises ``OSError``."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_in_place(lock: int, path: Path) -> bool:
    """Return whether the open file is still the one at ``path``: it may have been removed."""
    try:
        return os.path.samestat(os.fstat(lock), path.stat())
    except OSError:
        return False


def open_lock(path: Path) -> int:
    """Return a descriptor that can be locked. Raises ``OSError``."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except IsADirectoryError:  # a folder can be locked, too
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY)
