"""What crashes have left in a folder. See `storage.leftovers`.

Stale rows of the index are no leftovers: a comparison of the index removes them.
"""

import functools
import os
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from storage import files, threads, wav
from storage.errors import RecordingNotFoundError, StorageUnavailableError
from storage.leftovers import LeftAlone, Leftover
from storage.local.folder import RecordingsFolder
from storage.volume.paths import LINKS, session_of_state

_DERIVED = {
    ".dat": "waveform",
    ".sums": "block digests",
    ".times": "timeline",
    LINKS: "shared links",
}  # by the end of the name
_PROBE = ".probe-"  # of checks that the folder can be written: a file, or a folder of `doctor`


class FolderLeftovers:
    """See `storage.leftovers.Leftovers`."""

    def __init__(self, path: Path) -> None:
        self._folder = RecordingsFolder(path)

    async def find(self, before: datetime, left_alone: LeftAlone) -> AsyncGenerator[Leftover, None]:
        if not self._folder.path.is_dir():
            raise StorageUnavailableError(f"{self._folder.path} is no folder")
        candidates = await threads.listing.run(lambda: list(self._candidates()))
        for kind, path in candidates:
            try:
                found = await threads.listing.run(self._leftover, kind, path, before)
            except (OSError, StorageUnavailableError) as error:
                left_alone(str(path), error)
                continue
            if found is not None:
                yield found

    def _candidates(self) -> Iterator[tuple[str, Path]]:
        root = self._folder.path
        for name in self._folder.names():
            if name.startswith(_PROBE) or (name.startswith(".") and name.endswith(".tmp")):
                yield "temporary file", root / name
            elif session_of_state(name) is not None:
                yield "state", root / name
            elif _session_of_derived(name) is not None:
                yield _DERIVED[Path(name).suffix], root / name
        yield from (("state", path) for path in _entries(self._folder.active))
        for node in _entries(root / ".outbox"):
            for path in _entries(node):
                if path.name.startswith(".tmp-"):
                    yield "temporary file", path

    def _leftover(self, kind: str, path: Path, before: datetime) -> Leftover | None:
        try:
            size_bytes, changed_at = _size_and_change(path)
        except FileNotFoundError:  # a file that was there for a moment
            return None
        if changed_at >= before or not self._is_unused(kind, path):
            return None
        remove = functools.partial(threads.recording.run, self._remove, path)
        return Leftover(kind, str(path), size_bytes, changed_at, remove)

    def _is_unused(self, kind: str, path: Path) -> bool:
        """Return whether no session needs the path. Raises `StorageUnavailableError`."""
        if kind == "temporary file":
            return not path.is_symlink() and (path.is_file() or path.name.startswith(_PROBE))
        session_id = session_of_state(path.name) or _session_of_derived(path.name)
        if session_id is None:
            return False
        try:
            manifest = self._folder.manifest(session_id)
        except RecordingNotFoundError:
            # A session that was not created, or was deleted. Audio is worth more than its name.
            audio = self._folder.paths(session_id).audio
            if audio.exists() and audio.stat().st_size > wav.HEADER_BYTES:
                raise StorageUnavailableError("its audio has no manifest") from None
            return True
        return manifest.status == "completed" and not manifest.hold and kind == "state"

    def _remove(self, path: Path) -> None:
        with files.translated_errors():
            session_id = session_of_state(path.name)
            if session_id is not None and path.parent == self._folder.active:
                link = self._folder.old_state(session_id)
                if link.is_symlink():
                    link.unlink()
            files.remove(path)


def _session_of_derived(name: str) -> UUID | None:
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - of each name in the folder, so cheaply
    try:
        return UUID(stem) if suffix in _DERIVED and str(UUID(stem)) == stem else None
    except ValueError:
        return None


def _entries(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _size_and_change(path: Path) -> tuple[int, datetime]:
    """Return the bytes in a file or folder, and when it was last changed. Raises ``OSError``."""
    found = path.lstat()
    size_bytes, changed_at = 0 if path.is_dir() else found.st_size, found.st_mtime
    if path.is_dir() and not path.is_symlink():
        for entry in os.scandir(path):
            inner = entry.stat(follow_symlinks=False)
            size_bytes += inner.st_size
            changed_at = max(changed_at, inner.st_mtime)
    return size_bytes, datetime.fromtimestamp(changed_at, UTC)
