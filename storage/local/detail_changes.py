"""Changes of the details of completed sessions of a folder.

The writer of an active session changes its details itself: see `storage.volume.recording`.
"""

from uuid import UUID

from storage import files
from storage import manifest as manifests
from storage.details import DetailChanges
from storage.errors import RecordingNotFoundError
from storage.local.changes_lock import ChangesLock
from storage.local.folder import RecordingsFolder
from storage.local.index import SessionIndex
from storage.local.index_rows import RowState, row_of
from storage.manifest import Manifest


class DetailsOfCompleted:
    """Changes one session at a time, whichever process or thread of the service does it. Blocks."""

    def __init__(self, folder: RecordingsFolder, index: SessionIndex, lock: ChangesLock) -> None:
        self._folder = folder
        self._index = index
        self._lock = lock

    def change(self, session_id: UUID, changes: DetailChanges) -> Manifest:
        """Replace the manifest of a completed session; return the new one.

        Raises `RecordingNotFoundError` if the manifest or the audio is missing.
        """
        paths = self._folder.paths(session_id)
        with files.translated_errors(), self._lock.held():
            manifest = self._folder.manifest(session_id)
            if not paths.audio.exists():  # a deletion removes it first, under the same lock
                raise RecordingNotFoundError(str(session_id))
            manifest = manifest.with_details(changes.apply_to(manifest.details))
            row = row_of(manifest)
            # A crash between the manifest and its row leaves a row that is known to be unsure.
            self._index.put([row._replace(state=RowState.OPEN)])
            files.replace(paths.manifest, manifests.encode(manifest))
            self._index.put([row])
        return manifest
