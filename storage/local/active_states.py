"""The state of active sessions: one folder, so that a start reads it and nothing else."""

import contextlib
import logging
import os
from pathlib import Path
from uuid import UUID

from storage import files, wav
from storage.errors import RecordingNotFoundError, StorageUnavailableError
from storage.local.folder import RecordingsFolder
from storage.skipped import SkippedObjects
from storage.volume.paths import call_name, session_of_state, state_name

logger = logging.getLogger(__name__)


class ActiveStates:
    """The folder ``.active`` with ``{session_id}.state``, and links to them beside the audio.

    Release 0.2.0 has the state beside the audio. It finds the link, so that it can continue
    active sessions; what it has left there is moved here. All methods block.
    """

    def __init__(self, folder: RecordingsFolder, skipped: SkippedObjects) -> None:
        self._folder = folder
        self._skipped = skipped

    def prepare(self) -> None:
        """Create the folder with what 0.2.0 has left, and remove leftovers. Raises ``OSError``.

        Only the first start reads all names. If it is interrupted, the next one repeats it.
        """
        active = self._folder.active
        if not active.is_dir():
            files.remove(active)
            unfinished = active.with_name(f"{active.name}.new")
            if not unfinished.is_dir():
                files.remove(unfinished)
                unfinished.mkdir()
            for name in self._folder.names():
                self._adopt_reported(session_of_state(name), unfinished)
            unfinished.rename(active)
            files.sync_folder(active.parent)
        for session_id in self.sessions():
            self._check(session_id)

    def sessions(self) -> list[UUID]:
        """Return the sessions that have a state, oldest first."""
        with files.translated_errors():
            names = [entry.name for entry in os.scandir(self._folder.active)]
        found = (session_of_state(name) for name in names)
        return sorted(each for each in found if each is not None)

    def of_call(self, call_hash: str) -> list[UUID]:
        """Return the sessions whose state has the mark of the call, newest first.

        It costs one system call for each active session.
        """
        active, name = str(self._folder.active), call_name(call_hash)
        return [
            each
            for each in self.sessions()[::-1]
            if os.path.lexists(f"{active}/{state_name(each)}/{name}")
        ]

    def create(self, session_id: UUID) -> None:
        """Create the state of a session. Raises ``OSError``."""
        self._folder.state(session_id).mkdir()
        self._link(session_id)

    def sync(self, session_id: UUID) -> None:
        """Make the names of the state and in it durable. Raises ``OSError``."""
        state = self._folder.state(session_id)
        files.sync_folder(state)
        files.sync_folder(state.parent)

    def ensure(self, session_id: UUID) -> None:
        """Create the state of a session unless it is here, or where 0.2.0 has it."""
        if not self._folder.state(session_id).exists() and not self.adopt(session_id):
            self.create(session_id)
            self.sync(session_id)

    def adopt(self, session_id: UUID, into: Path | None = None) -> bool:
        """Move the state that 0.2.0 has left to ``into``, by default the folder of all states.

        Return whether it was moved: not if there is one already, nor if the session is not active.
        Raises ``OSError`` and `StorageUnavailableError`.
        """
        old = self._folder.old_state(session_id)
        new = (into or self._folder.active) / old.name
        if not _is_folder(old) or self._is_leftover(session_id, old) or new.exists():
            return False
        with contextlib.suppress(FileNotFoundError):  # another thread has moved it
            old.rename(new)
        files.sync_folder(new.parent)
        self._link(session_id)
        return True

    def remove(self, session_id: UUID) -> None:
        """Remove the state, and the link to it. Raises ``OSError``."""
        self.unlink(session_id)
        files.remove(self._folder.state(session_id))

    def unlink(self, session_id: UUID) -> None:
        """Remove the link, before the state is removed. Never raises."""
        link = self._folder.old_state(session_id)
        with contextlib.suppress(OSError):
            if link.is_symlink():
                link.unlink()

    def _check(self, session_id: UUID) -> None:
        """Remove leftovers; replace the state by what 0.2.0 has written since."""
        state, old = self._folder.state(session_id), self._folder.old_state(session_id)
        try:
            if not self._is_leftover(session_id, state) and _is_folder(old):
                files.remove(state)
                self.adopt(session_id)
        except (OSError, StorageUnavailableError) as error:
            self._skipped.report(str(session_id), error)

    def _adopt_reported(self, session_id: UUID | None, into: Path) -> None:
        if session_id is None:
            return
        try:
            self.adopt(session_id, into)
        except (OSError, StorageUnavailableError) as error:
            self._skipped.report(str(session_id), error)

    def _is_leftover(self, session_id: UUID, state: Path) -> bool:
        """Remove the state if the session was completed, or if its creation was interrupted.

        Raises `StorageUnavailableError` if that cannot be known.
        """
        audio = self._folder.paths(session_id).audio
        try:
            if self._folder.manifest(session_id).status == "active":
                return False
        except RecordingNotFoundError:
            if audio.exists() and audio.stat().st_size > wav.HEADER_BYTES:
                logger.warning("%s: left alone, it has audio and no manifest", audio)
                return True
            audio.unlink(missing_ok=True)
        self.unlink(session_id)
        files.remove(state)
        return True

    def _link(self, session_id: UUID) -> None:
        link = self._folder.old_state(session_id)
        with contextlib.suppress(OSError):  # not every file system has links
            link.symlink_to(Path(self._folder.active.name) / link.name)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
