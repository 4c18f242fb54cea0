"""The folder of recordings: its names and its manifests."""

import heapq
import itertools
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from storage import files
from storage import manifest as manifests
from storage.base import AgedSession
from storage.errors import BadObjectError, RecordingNotFoundError, StorageUnavailableError
from storage.manifest import Manifest
from storage.volume.paths import MANIFEST, SessionPaths, session_of_manifest, state_name
from storage.worker import WORKERS

_NAMES_AT_ONCE = 4096  # are sorted in a millisecond, in which no other thread runs


class RecordingsFolder:
    """Where everything lies. All methods block."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.active = self.path / ".active"
        self.index = self.path / ".index"
        self.workers = self.path / WORKERS
        self.changes_lock = self.path / ".changes.lock"

    def paths(self, session_id: UUID) -> SessionPaths:
        return SessionPaths(self.path, session_id, self.active)

    def state(self, session_id: UUID) -> Path:
        """Return where the state of an active session is."""
        return self.active / state_name(session_id)

    def old_state(self, session_id: UUID) -> Path:
        """Return where release 0.2.0 has the state of an active session."""
        return self.path / state_name(session_id)

    def manifest(self, session_id: UUID) -> Manifest:
        """Read a manifest.

        Raises `RecordingNotFoundError`, `BadObjectError`, `StorageUnavailableError`.
        """
        path = self.paths(session_id).manifest
        try:
            with files.translated_errors():
                data = path.read_bytes()
            return manifests.decode(data, session_id)
        except StorageUnavailableError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise RecordingNotFoundError(str(session_id)) from error
            if isinstance(error.__cause__, IsADirectoryError):
                raise BadObjectError(f"{path} is a folder") from error
            raise

    def has_manifest(self, session_id: UUID) -> bool:
        """Return False only if the manifest is known to be missing."""
        try:
            self.paths(session_id).manifest.lstat()
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True

    def names(self) -> Iterator[str]:
        """Yield all names, in no order. Raises `StorageUnavailableError`."""
        with files.translated_errors(), os.scandir(self.path) as entries:
            for entry in entries:
                yield entry.name

    def sessions(self) -> Iterator[UUID]:
        """Yield all sessions with a manifest, newest first, after reading the whole folder.

        Ids are UUIDs of version 7: their order, and that of their names, is the order of creation.
        """
        names = (name for name in self.names() if name.endswith(MANIFEST))
        runs: list[list[str]] = []
        while run := list(itertools.islice(names, _NAMES_AT_ONCE)):
            runs.append(sorted(run, reverse=True))
        for name in heapq.merge(*runs, reverse=True):
            if (session_id := session_of_manifest(name)) is not None:
                yield session_id

    def sessions_below(self, session_id: UUID) -> list[UUID]:
        """Return the sessions with a manifest and a lower id, oldest first."""
        return [each for each in self.sessions() if each < session_id][::-1]

    def aged(self, session_ids: list[UUID]) -> list[AgedSession]:
        """Return when the audio of each session was last written."""
        return [AgedSession(each, self._written_at(each)) for each in session_ids]

    def _written_at(self, session_id: UUID) -> datetime | None:
        try:
            seconds = self.paths(session_id).audio.stat().st_mtime
            return datetime.fromtimestamp(seconds, UTC)
        except (OSError, ValueError, OverflowError):  # no audio, or a time beyond the year 9999
            return None
