"""All sessions of one folder."""

import asyncio
import contextlib
import errno
import fcntl
import logging
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from storage import files, wav
from storage import manifest as manifests
from storage.base import Link, Page, Progress, StoredAt
from storage.errors import RecordingNotFoundError, StorageUnavailableError
from storage.local.waveform_file import WaveformFile
from storage.manifest import Manifest, Status
from storage.volume import paths
from storage.volume.audio import PartialWaveform, VolumeAudio, WaveformSource, open_audio
from storage.volume.paths import SessionPaths
from storage.volume.recording import VolumeRecording, read_checkpoint
from storage.waveform.growing_file import GrowingWaveform, MeasuringLimits, boot_id
from storage.waveform.kept import KeptWaveform

logger = logging.getLogger(__name__)


class LocalStorage:
    """See `storage.base.Storage`; the package says what lies where."""

    def __init__(
        self,
        folder: Path,
        *,
        sync_interval_seconds: float = 1.0,
        measuring_limits: MeasuringLimits | None = None,
    ) -> None:
        self._folder = folder.absolute()
        self._sync_interval_seconds = sync_interval_seconds
        self._measuring_limits = measuring_limits
        self._unsynced: set[VolumeRecording] = set()
        self._sync_task: asyncio.Task[None] | None = None
        self._lock: int | None = None
        self._measuring = asyncio.Lock()  # what was completed without a waveform, one at a time

    async def start(self) -> None:
        await asyncio.to_thread(self._prepare)
        self._sync_task = asyncio.create_task(self._sync_loop(), name="storage-sync")

    async def stop(self) -> None:
        if self._sync_task is not None:
            self._sync_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sync_task
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def check(self) -> None:
        await asyncio.to_thread(self._check)

    async def create(self, manifest: Manifest) -> VolumeRecording:
        return await asyncio.to_thread(self._create, manifest)

    async def open(self, manifest: Manifest) -> VolumeRecording:
        return await asyncio.to_thread(self._recover, manifest)

    async def owner(self, manifest: Manifest) -> str | None:
        """Return None: a folder has one node."""
        del manifest
        return None

    async def active_sessions(self) -> list[UUID]:
        names = await asyncio.to_thread(self._names)
        return sorted(found for name in names if (found := paths.session_of_state(name)))

    async def orphans(self) -> list[UUID]:
        """Return nothing: a folder has one node."""
        return []

    async def progress(self, manifest: Manifest) -> Progress:
        return await asyncio.to_thread(self._progress, manifest)

    async def manifest(self, session_id: UUID) -> Manifest:
        return await asyncio.to_thread(self._manifest, session_id)

    async def manifests(
        self, *, status: Status | None, user_id: str | None, limit: int, cursor: str | None
    ) -> Page:
        return await asyncio.to_thread(self._page, status, user_id, limit, cursor)

    async def audio(self, manifest: Manifest) -> VolumeAudio:
        return await asyncio.to_thread(self._audio, manifest)

    async def stored_at(self, manifest: Manifest) -> StoredAt:
        audio = self._paths(UUID(manifest.session_id)).audio
        try:
            status = await asyncio.to_thread(audio.stat)
        except FileNotFoundError as error:
            raise RecordingNotFoundError(manifest.session_id) from error
        except OSError as error:
            raise StorageUnavailableError(str(error)) from error
        return StoredAt(datetime.fromtimestamp(status.st_mtime, UTC))

    async def link(self, manifest: Manifest, ttl_seconds: int, now: datetime) -> Link | None:
        """Return None: a volume has no URLs."""
        del manifest, ttl_seconds, now
        return None

    async def delete(self, manifest: Manifest) -> None:
        await asyncio.to_thread(self._delete, manifest)

    def location(self, session_id: UUID) -> str:
        return str(self._paths(session_id).audio)

    async def _sync_loop(self) -> None:
        while True:
            await asyncio.sleep(self._sync_interval_seconds)
            changed = list(self._unsynced)
            self._unsynced.clear()
            if changed:
                await asyncio.to_thread(self._sync, changed)

    def _sync(self, changed: list[VolumeRecording]) -> None:
        for recording in changed:
            try:
                recording.persist()
                if recording.has_unmeasured_audio:
                    self._unsynced.add(recording)
            except StorageUnavailableError:
                # It stays behind, as persisted_chunk_count shows, and is tried again.
                logger.exception("%s could not be persisted", recording.manifest.session_id)
                self._unsynced.add(recording)

    def _prepare(self) -> None:
        with files.translated_errors():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in {errno.EAGAIN, errno.EACCES}:
                    raise
                raise StorageUnavailableError(
                    f"{self._folder} is in use by another process; one folder has one writer"
                ) from error
            for name in self._names():
                self._remove_leftovers(name)
        self._check()

    def _remove_leftovers(self, name: str) -> None:
        """Remove what a crash left of a session that was being created or completed."""
        if name.startswith(".") and name.endswith(".tmp"):
            (self._folder / name).unlink(missing_ok=True)
        session_id = paths.session_of_state(name)
        if session_id is None:
            return
        session = self._paths(session_id)
        try:
            if self._manifest(session_id).status == "active":
                return
        except RecordingNotFoundError:
            if session.audio.exists() and session.audio.stat().st_size > wav.HEADER_BYTES:
                logger.warning("%s holds audio and has no manifest: left alone", session.audio)
                return
            session.audio.unlink(missing_ok=True)
        except StorageUnavailableError:
            logger.exception("%s cannot be read: left alone", session.manifest)
            return
        shutil.rmtree(session.state)

    def _check(self) -> None:
        probe = self._folder / ".probe"
        with files.translated_errors():
            files.replace(probe, b"written to see whether it can be\n")
            probe.unlink()

    def _create(self, manifest: Manifest) -> VolumeRecording:
        session = self._paths(UUID(manifest.session_id))
        with files.translated_errors():
            session.state.mkdir()
            recording = self._recording(session, manifest)
            try:
                recording.begin()
                files.sync_folder(session.state)
                # The manifest comes last: with it, the session exists.
                files.replace(session.manifest, manifests.encode(manifest))
            except OSError:
                recording.discard()
                raise
        return recording

    def _recover(self, manifest: Manifest) -> VolumeRecording:
        session_id = UUID(manifest.session_id)
        # It may have been completed or deleted since the caller read its manifest.
        if self._manifest(session_id).status != "active":
            raise RecordingNotFoundError(manifest.session_id)
        session = self._paths(session_id)
        with files.translated_errors():
            session.state.mkdir(exist_ok=True)
            recording = self._recording(session, manifest)
            try:
                recording.recover()
            except OSError:
                recording.close()
                raise
        return recording

    def _recording(self, session: SessionPaths, manifest: Manifest) -> VolumeRecording:
        return VolumeRecording(
            session,
            manifest,
            on_changed=self._unsynced.add,
            on_released=self._unsynced.discard,
            peaks=GrowingWaveform(
                session.growing_peaks(boot_id()), manifest.pcm_format, self._measuring_limits
            ),
        )

    def _manifest(self, session_id: UUID) -> Manifest:
        path = self._paths(session_id).manifest
        try:
            with files.translated_errors():
                data = path.read_bytes()
            return manifests.decode(data)
        except StorageUnavailableError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise RecordingNotFoundError(str(session_id)) from error
            raise

    def _page(
        self, status: Status | None, user_id: str | None, limit: int, cursor: str | None
    ) -> Page:
        # Ids are UUIDs of version 7: their order is the order of creation.
        found = sorted(
            (session for name in self._names() if (session := paths.session_of_manifest(name))),
            reverse=True,
        )
        page: list[Manifest] = []
        for session_id in found:
            if cursor is not None and str(session_id) >= cursor:
                continue
            try:
                manifest = self._manifest(session_id)
            except RecordingNotFoundError:
                continue  # deleted meanwhile
            except StorageUnavailableError:
                logger.exception("left out of the list: %s", session_id)
                continue
            if status not in {None, manifest.status} or user_id not in {None, manifest.user_id}:
                continue
            if len(page) == limit:
                return Page(page, next_cursor=page[-1].session_id)
            page.append(manifest)
        return Page(page)

    def _progress(self, manifest: Manifest) -> Progress:
        with files.translated_errors():
            return Progress(*read_checkpoint(self._paths(UUID(manifest.session_id)), manifest))

    def _audio(self, manifest: Manifest) -> VolumeAudio:
        session = self._paths(UUID(manifest.session_id))
        if manifest.status == "active" and not session.checkpoint.exists():
            # The session was completed or deleted since the caller read its manifest.
            manifest = self._manifest(UUID(manifest.session_id))
        if manifest.status == "completed":
            pcm_bytes = manifest.pcm_bytes
            source: WaveformSource = KeptWaveform(
                WaveformFile(session), manifest.pcm_format, self._measuring
            )
        else:
            with files.translated_errors():
                pcm_bytes = read_checkpoint(session, manifest)[0].pcm_bytes
            source = PartialWaveform(session, None)
        return open_audio(session, manifest.pcm_format, pcm_bytes, source)

    def _delete(self, manifest: Manifest) -> None:
        session = self._paths(UUID(manifest.session_id))
        with files.translated_errors():
            session.audio.unlink(missing_ok=True)
            session.peaks.unlink(missing_ok=True)
            shutil.rmtree(session.state, ignore_errors=True)
            # Last, so that a deletion that was interrupted can be repeated.
            session.manifest.unlink(missing_ok=True)
            files.sync_folder(self._folder)

    def _names(self) -> list[str]:
        with files.translated_errors():
            return [entry.name for entry in os.scandir(self._folder)]

    def _paths(self, session_id: UUID) -> SessionPaths:
        return SessionPaths(self._folder, session_id)
