"""Remove sessions from the folder, many of them with one sync."""

from uuid import UUID

from storage import files
from storage.errors import BadObjectError, RecordingNotFoundError, SessionHeldError, StorageError
from storage.local.changes_lock import ChangesLock
from storage.local.folder import RecordingsFolder
from storage.local.index import SessionIndex


class Deletion:
    """Removes every file of sessions that are not being written. All methods block."""

    def __init__(self, folder: RecordingsFolder, index: SessionIndex, lock: ChangesLock) -> None:
        self._folder = folder
        self._index = index
        self._lock = lock

    def run(self, session_id: UUID) -> None:
        """Remove one session; the call can be repeated.

        Raises `SessionHeldError` and `StorageUnavailableError`.
        """
        for error in self.run_each([session_id]).values():
            raise error

    def run_each(self, session_ids: list[UUID]) -> dict[UUID, Exception]:
        """Remove sessions. Return the errors of those that remain, at least in part."""
        failed: dict[UUID, Exception] = {}
        for session_id in session_ids:
            try:
                self._remove_files(session_id)
            except StorageError as error:
                failed[session_id] = error
        try:
            with files.translated_errors():
                files.sync_folder(self._folder.path)
        except StorageError as error:
            return dict.fromkeys(session_ids, error)
        self._index.remove([each for each in session_ids if each not in failed])
        return failed

    def _remove_files(self, session_id: UUID) -> None:
        session = self._folder.paths(session_id)
        old_state = self._folder.old_state(session_id)
        with files.translated_errors():
            with self._lock.held():  # what has no audio any more gets no hold
                self._check_not_held(session_id)
                files.remove(session.audio)
            # The manifest is last, so that a deletion that was interrupted can be repeated.
            derived = (session.peaks, session.blocks, session.timeline, session.links)
            for path in (*derived, old_state, session.state, session.manifest):
                files.remove(path)

    def _check_not_held(self, session_id: UUID) -> None:
        try:
            if self._folder.manifest(session_id).hold:
                raise SessionHeldError(str(session_id))
        except (RecordingNotFoundError, BadObjectError):
            return  # what nothing can read has no hold
