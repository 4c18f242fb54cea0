"""All sessions of one folder."""

import asyncio
import contextlib
import errno
import fcntl
import logging
import os
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from storage import files, threads, wav
from storage import manifest as manifests
from storage.base import AgedPage, AgedSession, Link, Page, Progress
from storage.errors import (
    BadObjectError,
    RecordingNotFoundError,
    StorageError,
    StorageUnavailableError,
    SyncFailedError,
)
from storage.local.waveform_file import WaveformFile
from storage.manifest import Manifest, Status
from storage.skipped import SkippedObjects
from storage.supervisor import Supervisor
from storage.volume import paths
from storage.volume.audio import PartialWaveform, VolumeAudio, WaveformSource, open_audio
from storage.volume.disk import Disk, boot_id
from storage.volume.paths import SessionPaths
from storage.volume.recording import VolumeRecording
from storage.volume.recovery import recover
from storage.waveform.growing_file import GrowingWaveform, MeasuringLimits
from storage.waveform.kept import KeptWaveform

logger = logging.getLogger(__name__)

_AGED_PAGE = 50


class LocalStorage:
    """See `storage.base.Storage`; the package says what lies where."""

    def __init__(
        self,
        folder: Path,
        *,
        sync_interval_seconds: float = 1.0,
        measuring_limits: MeasuringLimits | None = None,
        disk: Disk | None = None,
        supervisor: Supervisor | None = None,
    ) -> None:
        self._folder = folder.absolute()
        self._supervisor = supervisor or Supervisor()
        self._disk = disk or Disk()
        self._sync_interval_seconds = sync_interval_seconds
        self._measuring_limits = measuring_limits
        self._unsynced: set[VolumeRecording] = set()
        self._sync_task: asyncio.Task[None] | None = None
        self._lock: int | None = None
        self._skipped = SkippedObjects()
        self._measuring = asyncio.Lock()  # what was completed without a waveform, one at a time

    async def start(self) -> None:
        await threads.recording.run(self._prepare)
        self._sync_task = self._supervisor.start("storage-sync", self._sync_loop)

    async def stop(self) -> None:
        if self._sync_task is not None:
            self._sync_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sync_task
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def check(self) -> None:
        await threads.reading.run(self._check)

    async def create(self, manifest: Manifest) -> VolumeRecording:
        return await threads.recording.run(self._create, manifest)

    async def open(self, manifest: Manifest) -> VolumeRecording:
        return await threads.recording.run(self._recover, manifest)

    async def owner(self, manifest: Manifest) -> str | None:
        """Return None: a folder has one node."""
        del manifest
        return None

    def problems(self) -> list[str]:
        return []

    async def active_sessions(self) -> list[UUID]:
        names = await threads.listing.run(self._names)
        return sorted(found for name in names if (found := paths.session_of_state(name)))

    async def orphans(self) -> list[UUID]:
        """Return nothing: a folder has one node."""
        return []

    async def progress(self, manifest: Manifest) -> Progress:
        return await threads.reading.run(self._progress, manifest)

    async def manifest(self, session_id: UUID) -> Manifest:
        return await threads.recording.run(self._manifest, session_id)

    async def manifests(
        self,
        *,
        status: Status | None = None,
        user_id: str | None = None,
        has_warnings: bool | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> Page:
        return await threads.listing.run(
            self._page, status, user_id, limit, cursor, has_warnings=has_warnings
        )

    async def audio(self, manifest: Manifest) -> VolumeAudio:
        return await threads.reading.run(self._audio, manifest)

    async def is_sweeper(self) -> bool:
        """Return True: a folder has one process."""
        return True

    async def sessions_below(self, session_id: UUID) -> AsyncGenerator[AgedPage, None]:
        found = await threads.listing.run(self._ids_below, session_id)
        for start in range(0, len(found), _AGED_PAGE):
            page = found[start : start + _AGED_PAGE]
            yield AgedPage(await threads.listing.run(lambda ids: list(map(self._aged, ids)), page))

    async def link(self, manifest: Manifest, ttl_seconds: int, now: datetime) -> Link | None:
        """Return None: a volume has no URLs."""
        del manifest, ttl_seconds, now
        return None

    async def delete(self, manifest: Manifest) -> None:
        await threads.recording.run(self._delete, UUID(manifest.session_id))

    async def delete_completed(
        self, sessions: list[tuple[AgedSession, Manifest]]
    ) -> dict[UUID, Exception]:
        return await threads.listing.run(
            self._delete_all, [found.session_id for found, _ in sessions]
        )

    async def delete_damaged(self, session_id: UUID) -> None:
        await threads.recording.run(self._delete, session_id)

    def location(self, session_id: UUID) -> str:
        return str(self._paths(session_id).audio)

    async def _sync_loop(self) -> None:
        while True:
            await asyncio.sleep(self._sync_interval_seconds)
            changed = list(self._unsynced)
            self._unsynced.clear()
            if changed:
                for recording in await threads.recording.run(self._sync, changed):
                    recording.report_failure()

    def _sync(self, changed: list[VolumeRecording]) -> list[VolumeRecording]:
        """Persist the recordings. Return those whose sync has failed, which ends them."""
        failed = []
        for recording in changed:
            try:
                recording.persist()
                if recording.has_unmeasured_audio:
                    self._unsynced.add(recording)
            except SyncFailedError:
                failed.append(recording)
            except StorageUnavailableError:
                # It stays behind, as persisted_chunk_count shows, and is tried again.
                logger.exception("%s could not be persisted", recording.manifest.session_id)
                self._unsynced.add(recording)
        return failed

    def _prepare(self) -> None:
        with files.translated_errors():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = _open_lock(self._folder / ".lock")
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in {errno.EAGAIN, errno.EACCES}:
                    raise
                raise StorageUnavailableError(
                    f"{self._folder} is in use by another process; one folder has one writer"
                ) from error
            for name in self._names():
                try:
                    self._remove_leftovers(name)
                except OSError as error:
                    self._skipped.report(str(self._folder / name), error)
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
        except StorageUnavailableError as error:
            self._skipped.report(str(session.manifest), error)
            return
        files.remove(session.state)

    def _check(self) -> None:
        probe = self._folder / f".probe-{uuid4()}.tmp"  # a crash may leave it until the next start
        with files.translated_errors():
            files.replace(probe, b"written to see whether it can be\n")
            probe.unlink()

    def _create(self, manifest: Manifest) -> VolumeRecording:
        session = self._paths(UUID(manifest.session_id))
        with files.translated_errors():
            session.state.mkdir()
            try:
                return self._begin(session, manifest)
            except (OSError, StorageError):
                session.remove_created()
                raise

    def _begin(self, session: SessionPaths, manifest: Manifest) -> VolumeRecording:
        recording = self._recording(session, manifest)
        try:
            recording.begin()
            files.sync_folder(session.state)
            # The manifest comes last: with it, the session exists.
            files.replace(session.manifest, manifests.encode(manifest))
        except (OSError, StorageError):
            recording.close()
            raise
        return recording

    def _recover(self, manifest: Manifest) -> VolumeRecording:
        session_id = UUID(manifest.session_id)
        # It may have been completed or deleted since the caller read its manifest.
        if self._manifest(session_id).status != "active":
            raise RecordingNotFoundError(manifest.session_id)
        session = self._paths(session_id)
        with files.translated_errors():
            if not session.state.exists():
                session.state.mkdir()
                files.sync_folder(self._folder)
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
            disk=self._disk,
        )

    def _manifest(self, session_id: UUID) -> Manifest:
        path = self._paths(session_id).manifest
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

    def _page(
        self,
        status: Status | None,
        user_id: str | None,
        limit: int,
        cursor: str | None,
        *,
        has_warnings: bool | None,
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
                if has_warnings is not None and manifest.status == "active":
                    manifest = manifest.advanced_to(self._progress(manifest).checkpoint)
            except RecordingNotFoundError:
                continue  # deleted meanwhile
            except BadObjectError as error:
                self._skipped.report(str(session_id), f"left out of lists: {error}")
                continue
            except StorageUnavailableError:
                logger.exception("left out of the list: %s", session_id)
                continue
            if not manifest.matches(status=status, user_id=user_id, has_warnings=has_warnings):
                continue
            if len(page) == limit:
                return Page(page, next_cursor=page[-1].session_id)
            page.append(manifest)
        return Page(page)

    def _progress(self, manifest: Manifest) -> Progress:
        session = self._paths(UUID(manifest.session_id))
        found = recover(session, manifest, self._disk.boot_id)
        return Progress(found.checkpoint, found.persisted)

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
            pcm_bytes = recover(session, manifest, self._disk.boot_id).checkpoint.pcm_bytes
            source = PartialWaveform(session, None)
        return open_audio(session, manifest.pcm_format, pcm_bytes, source)

    def _delete(self, session_id: UUID) -> None:
        self._remove(session_id)
        with files.translated_errors():
            files.sync_folder(self._folder)

    def _delete_all(self, session_ids: list[UUID]) -> dict[UUID, Exception]:
        """Delete sessions with one sync of the folder. Return the errors of those that remain."""
        failed: dict[UUID, Exception] = {}
        for session_id in session_ids:
            try:
                self._remove(session_id)
            except StorageError as error:
                failed[session_id] = error
        try:
            with files.translated_errors():
                files.sync_folder(self._folder)
        except StorageError as error:
            return dict.fromkeys(session_ids, error)
        return failed

    def _remove(self, session_id: UUID) -> None:
        session = self._paths(session_id)
        with files.translated_errors():
            # The manifest is last, so that a deletion that was interrupted can be repeated.
            for path in (session.audio, session.peaks, session.state, session.manifest):
                files.remove(path)

    def _ids_below(self, session_id: UUID) -> list[UUID]:
        """Return the lower ids that have a manifest, lowest first."""
        found = (paths.session_of_manifest(name) for name in self._names())
        return sorted(each for each in found if each is not None and each < session_id)

    def _aged(self, session_id: UUID) -> AgedSession:
        try:
            seconds = self._paths(session_id).audio.stat().st_mtime
            return AgedSession(session_id, datetime.fromtimestamp(seconds, UTC))
        except (OSError, ValueError, OverflowError):  # no audio, or a time beyond the year 9999
            return AgedSession(session_id, None)

    def _names(self) -> list[str]:
        with files.translated_errors():
            return [entry.name for entry in os.scandir(self._folder)]

    def _paths(self, session_id: UUID) -> SessionPaths:
        return SessionPaths(self._folder, session_id)


def _open_lock(path: Path) -> int:
    """Return a descriptor that can be locked. Raises ``OSError``."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except IsADirectoryError:  # a folder can be locked, too
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY)
