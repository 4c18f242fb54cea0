"""The recordings of a volume, for an operator; the service may run."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

from storage import files, threads
from storage.errors import RecordingNotFoundError, StorageUnavailableError
from storage.local.folder import RecordingsFolder
from storage.manifest import Manifest
from storage.volume.paths import SessionPaths

_BLOCK_BYTES = 1024 * 1024


class FileAudio:
    """See `storage.verification.StoredAudio`."""

    def __init__(self, path: Path) -> None:
        """Raises `StorageUnavailableError`."""
        with files.translated_errors():
            self.size_bytes = path.stat().st_size
        self._path = path

    async def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        with files.translated_errors(), self._path.open("rb", buffering=0) as file:
            while start < stop:
                size_bytes = min(stop - start, _BLOCK_BYTES)
                data = await threads.reading.run(os.pread, file.fileno(), size_bytes, start)
                if not data:
                    return
                start += len(data)
                yield data


class VolumeRecordings:
    """See `storage.verification.StoredRecordings`."""

    def __init__(self, folder: Path) -> None:
        self._folder = RecordingsFolder(folder)

    async def sessions(self) -> AsyncIterator[UUID]:
        for session_id in await threads.listing.run(lambda: list(self._folder.sessions())):
            yield session_id

    async def manifest(self, session_id: UUID) -> Manifest:
        return await threads.listing.run(self._folder.manifest, session_id)

    async def audio(self, session_id: UUID) -> FileAudio:
        path = self._paths(session_id).audio
        if not path.is_file():
            raise RecordingNotFoundError(f"{path} is missing")
        return FileAudio(path)

    async def blocks(self, session_id: UUID) -> bytes:
        return _read_if_readable(self._paths(session_id).blocks)

    async def timeline(self, session_id: UUID) -> bytes:
        return _read_if_readable(self._paths(session_id).timeline)

    def _paths(self, session_id: UUID) -> SessionPaths:
        return self._folder.paths(session_id)


def _read_if_readable(path: Path) -> bytes:
    try:
        with files.translated_errors():
            return path.read_bytes()
    except StorageUnavailableError:
        return b""
