"""The pixels of a waveform in a file, read as they are needed.

The waveform of a day has up to 35 MB, and any number of clients may read it slowly.
"""

import errno
import os
import stat
import weakref
from pathlib import Path
from typing import TypeAlias


class FilePixels:
    """A range of a file, then ``tail``. A slice of it is read when it is taken, and blocks.

    The file stays open for as long as the object exists, so it may be moved or removed. The range
    must not change.
    """

    def __init__(self, file: "OpenFile", start: int, stop: int, tail: bytes = b"") -> None:
        self._file = file
        self._start = start
        self._size = stop - start
        self._tail = tail

    @classmethod
    def open(cls, path: Path, *, offset: int = 0) -> "FilePixels | None":
        """Return the file from ``offset`` on, None if there is no file. Raises ``OSError``."""
        try:
            file = OpenFile(os.open(path, os.O_RDONLY))
        except FileNotFoundError:
            return None
        found = os.fstat(file.fd)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EISDIR, "no file", str(path))
        return cls(file, offset, max(offset, found.st_size))

    def __len__(self) -> int:
        return self._size + len(self._tail)

    def __getitem__(self, wanted: slice) -> bytes:
        start, stop, _ = wanted.indices(len(self))
        found = b""
        if start < (end := min(stop, self._size)):
            found = os.pread(self._file.fd, end - start, self._start + start)
        tail = self._tail[max(0, start - self._size) : max(0, stop - self._size)]
        return found + tail if tail else found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (bytes, FilePixels)) and self[:] == other[:]

    __hash__ = None  # type: ignore[assignment]

    def part(self, start: int, stop: int, tail: bytes = b"") -> "FilePixels":
        """Return the pixels from ``start`` to ``stop``, then ``tail``, without reading them."""
        start, stop, _ = slice(start, stop).indices(len(self))
        own_tail = self._tail[max(0, start - self._size) : max(0, stop - self._size)]
        begin, end = (self._start + min(at, self._size) for at in (start, max(start, stop)))
        return FilePixels(self._file, begin, end, own_tail + tail)


Pixels: TypeAlias = bytes | FilePixels


def part_of(pixels: Pixels, start: int, stop: int, tail: bytes = b"") -> Pixels:
    """Return the pixels from byte ``start`` to ``stop``, then ``tail``."""
    if isinstance(pixels, FilePixels):
        return pixels.part(start, stop, tail)
    return pixels[start:stop] + tail


class OpenFile:
    """A descriptor that is closed when nothing refers to it any more."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        weakref.finalize(self, os.close, fd)
