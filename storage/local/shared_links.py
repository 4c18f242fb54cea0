"""Shared links of the sessions of a folder: ``{session_id}.links/{link_id}.json``."""

import contextlib
import os
from uuid import UUID

from storage import files, threads
from storage import shared_links as links
from storage.errors import BadObjectError, RecordingNotFoundError
from storage.local.folder import RecordingsFolder
from storage.shared_links import SharedLink
from storage.skipped import SkippedObjects


class LocalSharedLinks:
    """See `storage.shared_links.SharedLinks`."""

    def __init__(self, folder: RecordingsFolder, skipped: SkippedObjects) -> None:
        self._folder = folder
        self._skipped = skipped

    async def add(self, session_id: UUID, link: SharedLink) -> None:
        await threads.recording.run(self._add, session_id, link)

    async def get(self, session_id: UUID, link_id: str) -> SharedLink | None:
        return await threads.reading.run(self._get, session_id, link_id)

    async def all(self, session_id: UUID) -> list[SharedLink]:
        return await threads.reading.run(self._all, session_id)

    async def remove(self, session_id: UUID, link_id: str) -> bool:
        return await threads.recording.run(self._remove, session_id, link_id)

    def _add(self, session_id: UUID, link: SharedLink) -> None:
        session = self._folder.paths(session_id)
        with files.translated_errors():
            try:
                session.links.mkdir(exist_ok=True)
                files.replace(session.link(link.link_id), links.encode(link))
                files.sync_folder(session.folder)
            except FileNotFoundError as error:  # a deletion has removed the folder of the links
                raise RecordingNotFoundError(str(session_id)) from error
            if not session.audio.exists():  # a deletion removes the audio first
                files.remove(session.links)
                raise RecordingNotFoundError(str(session_id))

    def _get(self, session_id: UUID, link_id: str) -> SharedLink | None:
        path = self._folder.paths(session_id).link(link_id)
        with files.translated_errors():
            try:
                return links.decode(path.read_bytes(), link_id)
            except (FileNotFoundError, NotADirectoryError):
                return None
            except (BadObjectError, IsADirectoryError) as error:
                self._skipped.report(str(path), error)
                return None

    def _all(self, session_id: UUID) -> list[SharedLink]:
        folder = self._folder.paths(session_id).links
        with files.translated_errors():
            try:
                names = [entry.name for entry in os.scandir(folder)]
            except (FileNotFoundError, NotADirectoryError):
                return []
        ids = [name.removesuffix(".json") for name in names if name.endswith(".json")]
        found = [self._get(session_id, each) for each in ids if links.is_link_id(each)]
        return links.in_order([each for each in found if each is not None])

    def _remove(self, session_id: UUID, link_id: str) -> bool:
        session = self._folder.paths(session_id)
        path = session.link(link_id)
        with files.translated_errors():
            try:
                path.lstat()
            except (FileNotFoundError, NotADirectoryError):
                return False
            files.remove(path)
            with contextlib.suppress(FileNotFoundError):  # the session is deleted meanwhile
                files.sync_folder(session.links)
        return True
