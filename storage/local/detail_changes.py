"""Changes of the details of completed sessions of a folder.

The writer of an active session changes its details itself: see `storage.volume.recording`.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from uuid import UUID

from storage import files
from storage import manifest as manifests
from storage.details import DetailChanges
from storage.errors import RecordingNotFoundError, StorageUnavailableError
from storage.local.deletion import Deletion
from storage.local.folder import RecordingsFolder
from storage.local.index import SessionIndex
from storage.local.index_rows import RowState, row_of
from storage.manifest import Manifest
from storage.service_lock import open_lock, try_lock

_WAIT_SECONDS = 2.0
_PAUSE_SECONDS = 0.005


class DetailsOfCompleted:
    """Changes one session at a time, whichever process or thread of the service does it. Blocks."""

    def __init__(
        self,
        folder: RecordingsFolder,
        index: SessionIndex,
        deletion: Deletion,
        *,
        wait_seconds: float = _WAIT_SECONDS,
    ) -> None:
        """``wait_seconds``: how long to wait for another process, which may be suspended."""
        self._folder = folder
        self._index = index
        self._deletion = deletion
        self._wait_seconds = wait_seconds

    def change(self, session_id: UUID, changes: DetailChanges) -> Manifest:
        """Replace the manifest of a completed session; return the new one.

        Raises `RecordingNotFoundError` if the manifest or the audio is missing.
        """
        paths = self._folder.paths(session_id)
        with files.translated_errors(), self._lock():
            manifest = self._folder.manifest(session_id)
            if not paths.audio.exists():
                raise RecordingNotFoundError(str(session_id))
            manifest = manifest.with_details(changes.apply_to(manifest.details))
            row = row_of(manifest)
            # A crash between the manifest and its row leaves a row that is known to be unsure.
            self._index.put([row._replace(state=RowState.OPEN)])
            files.replace(paths.manifest, manifests.encode(manifest))
            if not paths.audio.exists():  # a deletion removes the audio first
                self._deletion.run(session_id)
                raise RecordingNotFoundError(str(session_id))
            self._index.put([row])
        return manifest

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold the lock of changes. Raises `StorageUnavailableError` and ``OSError``."""
        descriptor = open_lock(self._folder.changes_lock)
        try:
            until = time.monotonic() + self._wait_seconds
            while not try_lock(descriptor):
                if time.monotonic() > until:
                    raise StorageUnavailableError("another process changes a session, try again")
                time.sleep(_PAUSE_SECONDS)
            yield
        finally:
            os.close(descriptor)
