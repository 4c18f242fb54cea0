"""Whether anything has changed in the folder since the service stopped in order."""

import contextlib
import time
import zlib
from pathlib import Path

import msgspec

from storage import files
from storage.local.index_file import IndexFile, IndexUnavailableError

_BLOCK_BYTES = 1024 * 1024
_TICK_SECONDS = 0.02  # file systems take times from a clock that ticks every 1 to 10 ms …
_COARSE_TICK_SECONDS = 2.0  # … or, where all times are whole seconds, every one or two


class _Mark(msgspec.Struct):
    """The folder and the index at a clean stop."""

    names_changed_at_ns: int
    index_crc32: int


class CleanStop:
    """The mark of a clean stop, beside the index. All methods block.

    It holds the modification time of the folder of recordings, which changes with every name that
    is added, removed or replaced, and a sum of the index, so that it need not be removed at a
    start: with the first change it does not fit any more.
    """

    def __init__(self, recordings: Path, index: IndexFile) -> None:
        self._recordings = recordings
        self._index = index
        self._path = index.folder / "clean"

    def is_unchanged(self) -> bool:
        """Return whether the index fits the folder without a comparison."""
        try:
            with self._index.lock.exclusive_at_once():
                mark = msgspec.json.decode(self._path.read_bytes(), type=_Mark)
                return mark == _Mark(self._names_changed_at_ns(), self._crc32())
        except (OSError, msgspec.MsgspecError, ValueError):
            return False

    def save(self) -> None:
        """Note that the complete index fits the folder as it is now."""
        with contextlib.suppress(IndexUnavailableError, OSError):
            time.sleep(2 * _TICK_SECONDS)
            changed_at_ns = self._names_changed_at_ns()
            is_coarse = changed_at_ns % 10**9 == 0
            tick_seconds = _COARSE_TICK_SECONDS if is_coarse else _TICK_SECONDS
            if time.time_ns() - changed_at_ns <= tick_seconds * 10**9:
                return  # what is changed next could get the same time
            with self._index.lock.exclusive_at_once():
                mark = _Mark(changed_at_ns, self._crc32())
                files.replace(self._path, msgspec.json.encode(mark))

    def _names_changed_at_ns(self) -> int:
        return self._recordings.stat().st_mtime_ns

    def _crc32(self) -> int:
        """Return the sum of the index.

        Only under the exclusive lock: when a process closes a file, it loses the locks that SQLite
        has on it (fcntl(2)).
        """
        crc32 = 0
        with self._index.path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                crc32 = zlib.crc32(block, crc32)
        return crc32
