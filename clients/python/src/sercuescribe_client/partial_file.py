"""A file that is downloaded in several goes, and appears under its name when it is whole."""

import os
from pathlib import Path
from types import TracebackType
from typing import Self


class PartialFile:
    """The bytes so far are in ``NAME.part``, what they are part of in ``NAME.part.etag``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._tag = path.with_name(f"{path.name}.part.etag")
        self._file = self._part.open("ab")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._file.closed:
            is_empty = self.size == 0
            self._file.close()
            if is_empty:
                self._part.unlink()

    @property
    def size(self) -> int:
        return self._file.tell()

    @property
    def etag(self) -> str | None:
        """Of the file that the bytes so far are part of; None where they are good for nothing."""
        return self._tag.read_text() if self.size and self._tag.exists() else None

    def begin(self, etag: str | None) -> None:
        """Drop what there is: the bytes to come are the first of a file with this tag."""
        self._file.truncate(0)
        self._file.seek(0)
        if etag is None or etag.startswith("W/"):  # a weak tag does not stand for the bytes
            self._tag.unlink(missing_ok=True)
        else:
            self._tag.write_text(etag)

    def append(self, data: bytes) -> None:
        self._file.write(data)

    def finish(self) -> None:
        """All is there: put it under its name, whole on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self._path)
        self._tag.unlink(missing_ok=True)
