"""A file whose changes take effect at once."""

import stat
from pathlib import Path


class WatchedFile:
    """A file that is read on each use, so that no change of it is missed.

    A change may keep the size, the modification time and the inode of the file. The files of this
    package have some kilobytes, so reading them costs less than checking a signature.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._content: bytes | None = None

    def changed(self) -> bytes | None:
        """Return the content if it differs from the last content returned; else None.

        A pipe is read once. Raises ``OSError``.
        """
        if self._content is not None and not stat.S_ISREG(self.path.stat().st_mode):
            return None  # a second read of a pipe would never return
        content = self.path.read_bytes()
        if content == self._content:
            return None
        self._content = content
        return content

    def forget(self) -> None:
        """Make the next content count as changed."""
        self._content = b""
