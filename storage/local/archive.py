"""Completed sessions of a folder, for commands that copy them. See `storage.archive`."""

import contextlib
import os
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from uuid import UUID

from storage import files, threads
from storage import manifest as manifests
from storage.archive import Derived
from storage.details import DetailChanges
from storage.errors import BadObjectError, RecordingNotFoundError, StorageUnavailableError
from storage.local.changes_lock import ChangesLock
from storage.local.detail_changes import DetailsOfCompleted
from storage.local.folder import RecordingsFolder
from storage.local.index import SessionIndex
from storage.local.index_file import IndexFile
from storage.local.index_rows import row_of
from storage.local.outbox import OutboxFolder
from storage.manifest import Manifest

_PAGE = 1000
_BLOCK_BYTES = 1024 * 1024


class AudioFile:
    """See `storage.archive.StoredAudio`."""

    etag: str | None = None

    def __init__(self, path: Path, size_bytes: int) -> None:
        self.path = path
        self.size_bytes = size_bytes

    async def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        with files.translated_errors(), self.path.open("rb", buffering=0) as file:
            while start < stop:
                size = min(stop - start, _BLOCK_BYTES)
                block = await threads.reading.run(os.pread, file.fileno(), size, start)
                if not block:
                    raise BadObjectError(f"{self.path} ends at {start}, before {stop}")
                start += len(block)
                yield block


class FolderArchive:
    """See `storage.archive.Archive`.

    Audio that is being added has a name that ends in ``.tmp``, so that the service removes what
    an interrupted copy has left.
    """

    def __init__(self, path: Path) -> None:
        self._folder = RecordingsFolder(path)
        self._index = SessionIndex(IndexFile(self._folder.index, on_incomplete=lambda: None))
        self._details = DetailsOfCompleted(
            self._folder, self._index, ChangesLock(self._folder.changes_lock)
        )
        self.outbox = OutboxFolder(path)

    @property
    def name(self) -> str:
        return str(self._folder.path.resolve())

    def create(self) -> None:
        """Create the folder if it is missing. Raises `StorageUnavailableError`."""
        with files.translated_errors():
            self._folder.path.mkdir(parents=True, exist_ok=True)

    async def session_ids(self) -> AsyncGenerator[list[UUID], None]:
        if not self._folder.path.is_dir():
            raise StorageUnavailableError(f"{self._folder.path} is no folder")
        found = await threads.listing.run(lambda: list(self._folder.sessions()))
        found.reverse()
        for start in range(0, len(found), _PAGE):
            yield found[start : start + _PAGE]

    async def manifest(self, session_id: UUID) -> Manifest:
        return await threads.reading.run(self._folder.manifest, session_id)

    async def audio(self, manifest: Manifest) -> AudioFile:
        path = self._folder.paths(UUID(manifest.session_id)).audio
        try:
            size_bytes = path.stat().st_size
        except FileNotFoundError as error:
            raise RecordingNotFoundError(str(path)) from error
        except OSError as error:
            raise StorageUnavailableError(str(error)) from error
        if not path.is_file() or size_bytes < manifest.size_bytes:
            raise BadObjectError(f"{path} is shorter than its manifest says, or no file")
        return AudioFile(path, manifest.size_bytes)

    async def derived(self, manifest: Manifest) -> Derived:
        session = self._folder.paths(UUID(manifest.session_id))
        return Derived(
            waveform=await threads.reading.run(_read_if_readable, session.peaks),
            block_digests=await threads.reading.run(_read_if_readable, session.blocks),
            timeline=await threads.reading.run(_read_if_there, session.timeline),
        )

    async def put_audio(self, manifest: Manifest, audio: AsyncIterator[bytes]) -> AudioFile:
        name = f".{manifest.session_id}.wav.{secrets.token_hex(8)}.tmp"
        path = self._folder.path / name
        size_bytes = 0
        try:
            with files.translated_errors(), path.open("xb", buffering=0) as file:
                async for block in audio:
                    await threads.recording.run(files.write_at, file.fileno(), block, size_bytes)
                    size_bytes += len(block)
                await threads.recording.run(os.fsync, file.fileno())
        except BaseException:
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        return AudioFile(path, size_bytes)

    async def add(self, manifest: Manifest, audio: AudioFile, derived: Derived) -> None:
        await threads.recording.run(self._add, manifest, audio.path, derived)

    async def change(self, manifest: Manifest, changes: DetailChanges) -> None:
        session_id = UUID(manifest.session_id)
        await threads.recording.run(self._details.change, session_id, changes)

    async def discard(self, manifest: Manifest, audio: AudioFile) -> None:
        del manifest
        with files.translated_errors():
            audio.path.unlink(missing_ok=True)

    def _add(self, manifest: Manifest, audio: Path, derived: Derived) -> None:
        session = self._folder.paths(UUID(manifest.session_id))
        with files.translated_errors():
            if session.manifest.exists():
                raise StorageUnavailableError(f"{session.manifest} was created meanwhile")
            audio.replace(session.audio)
            files.sync_folder(session.folder)
            if derived.waveform is not None:
                files.replace(session.peaks, derived.waveform)
            if derived.block_digests is not None:
                files.replace(session.blocks, derived.block_digests)
            if derived.timeline is not None:
                files.replace(session.timeline, derived.timeline)
            # A folder without an index is one of an export, or the first start makes an index.
            has_index = self._folder.index.is_dir()
            adding = self._index.adding(row_of(manifest)) if has_index else contextlib.nullcontext()
            with adding:
                files.replace(session.manifest, manifests.encode(manifest))


def _read_if_there(path: Path) -> bytes | None:
    """Return what is in the file, None without it: nothing makes it again."""
    with files.translated_errors(), contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    return None


def _read_if_readable(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:  # the service makes it again
        return None
