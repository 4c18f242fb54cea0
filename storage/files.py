"""File operations that either happen whole or not at all."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from storage.errors import StorageUnavailableError
from storage.pcm import Buffer


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """Raise `StorageUnavailableError` in place of ``OSError``."""
    try:
        yield
    except OSError as error:
        raise StorageUnavailableError(str(error)) from error


def write_at(fd: int, data: Buffer, offset: int) -> None:
    """Write all of ``data`` at ``offset``. Raises ``OSError``."""
    written = os.pwrite(fd, data, offset)
    if written == len(data):
        return
    # After a short write because the disk is full, the next write raises.
    view = memoryview(data)
    while written < len(data):
        written += os.pwrite(fd, view[written:], offset + written)


def read_range(path: Path, offset: int, length: int) -> bytes:
    """Return ``length`` bytes of the file from ``offset`` on.

    Raises ``OSError``, also if there are fewer.
    """
    fd = os.open(path, os.O_RDONLY)
    try:
        data = os.pread(fd, length, offset)  # usually all of it
        while len(data) < length:
            more = os.pread(fd, length - len(data), offset + len(data))
            if not more:
                raise OSError(errno.EIO, f"{path} is shorter than it should be")
            data += more
    finally:
        os.close(fd)
    return data


def replace(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path``: readers see the old content or the new, after a power cut too.

    Raises ``OSError``; then no temporary file is left.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def remove(path: Path) -> None:
    """Remove the file, or the folder with all that it contains, if it exists. Raises ``OSError``.

    What has the name of one of our files can be a folder, and the other way round.
    """
    while path.is_dir() and not path.is_symlink():
        try:
            shutil.rmtree(path)
        except OSError as error:  # others remove from it, or write into it, at the same time
            if error.errno not in {errno.ENOENT, errno.ENOTEMPTY}:
                raise
    path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
