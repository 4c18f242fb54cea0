"""A file that is downloaded in several attempts and gets its name when it is complete."""

import os
from pathlib import Path
from types import TracebackType
from typing import Self


class PartialFile:
    """The bytes so far are in ``NAME.part``, the ETag of their file in ``NAME.part.etag``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part_path = path.with_name(f"{path.name}.part")
        self._etag_path = path.with_name(f"{path.name}.part.etag")
        self._file = self._part_path.open("ab")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._file.closed:
            is_empty = self.size_bytes == 0
            self._file.close()
            if is_empty:
                self._part_path.unlink()

    @property
    def size_bytes(self) -> int:
        return self._file.tell()

    @property
    def etag(self) -> str | None:
        """The strong ETag of the file that the bytes so far belong to; None if unknown."""
        has_etag = self.size_bytes and self._etag_path.exists()
        return self._etag_path.read_text() if has_etag else None

    def restart(self, etag: str | None) -> None:
        """Drop the bytes so far: the next ones are the first of a file with this ETag."""
        self._file.truncate(0)
        self._file.seek(0)
        if etag is None or etag.startswith("W/"):  # a weak ETag does not identify the bytes
            self._etag_path.unlink(missing_ok=True)
        else:
            self._etag_path.write_text(etag)

    def append(self, data: bytes) -> None:
        self._file.write(data)

    def finish(self) -> None:
        """Sync the complete file and rename it to its final name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part_path.replace(self._path)
        self._etag_path.unlink(missing_ok=True)
