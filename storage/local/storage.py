"""All sessions of one folder."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

from storage import files, threads, timeline
from storage import manifest as manifests
from storage.base import AgedPage, AgedSession, ExpiredPage, Link, Page, Progress
from storage.details import DetailChanges
from storage.errors import BadObjectError, RecordingNotFoundError, StorageError
from storage.filters import ALL, Filters
from storage.local.active_states import ActiveStates
from storage.local.changes_lock import ChangesLock
from storage.local.deletion import Deletion
from storage.local.detail_changes import DetailsOfCompleted
from storage.local.folder import RecordingsFolder
from storage.local.index import SessionIndex
from storage.local.index_rows import row_of
from storage.local.index_upkeep import IndexUpkeep
from storage.local.leadership import Leadership
from storage.local.listing import Listing
from storage.local.outbox import LocalOutbox
from storage.local.ownership import Ownership
from storage.local.shared_links import LocalSharedLinks
from storage.local.waveform_file import WaveformFile
from storage.manifest import Manifest
from storage.observer import IGNORE, Observer
from storage.receipt_issuer import ReceiptIssuer, unsigned
from storage.service_lock import lock_folder
from storage.skipped import SkippedObjects
from storage.supervisor import Supervisor
from storage.volume.audio import PartialWaveform, VolumeAudio, WaveformSource, open_audio
from storage.volume.disk import Disk, boot_id
from storage.volume.paths import SessionPaths
from storage.volume.periodic_sync import PeriodicSync
from storage.volume.recording import VolumeRecording, timeline_entries
from storage.volume.recovery import recover
from storage.waveform.growing_file import GrowingWaveform, MeasuringLimits
from storage.waveform.kept import KeptWaveform
from storage.worker import Worker

logger = logging.getLogger(__name__)

_AGED_PAGE = 50


class LocalStorage:
    """See `storage.base.Storage`; the package says what lies where."""

    def __init__(
        self,
        folder: Path,
        *,
        sync_interval_seconds: float = 1.5,
        measuring_limits: MeasuringLimits | None = None,
        receipts: ReceiptIssuer | None = None,
        disk: Disk | None = None,
        supervisor: Supervisor | None = None,
        observer: Observer = IGNORE,
        worker: Worker | None = None,
    ) -> None:
        """``worker``: others write to the folder too, and its lock is held for all of them."""
        self._folder = RecordingsFolder(folder)
        self._worker = worker
        self._ownership = Ownership(self._folder, worker)
        self._supervisor = supervisor or Supervisor()
        self._observer = observer
        self._disk = disk or Disk()
        self._measuring_limits = measuring_limits
        self._receipts = receipts or unsigned("sercuescribe")
        self.sync = PeriodicSync(sync_interval_seconds, self._supervisor, observer)
        self._lock: int | None = None
        self.outbox = LocalOutbox(folder)
        self._skipped = skipped = SkippedObjects()
        self.shared_links = LocalSharedLinks(self._folder, skipped)
        self._active = ActiveStates(self._folder, skipped)
        self._leadership = Leadership(self._folder.workers, worker)
        self.upkeep = IndexUpkeep(
            self._folder,
            self._active,
            self._supervisor,
            skipped,
            is_shared=worker is not None,
        )
        self._index = SessionIndex(self.upkeep.file)
        changes_lock = ChangesLock(self._folder.changes_lock)
        self._deletion = Deletion(self._folder, self._index, changes_lock)
        self._details = DetailsOfCompleted(self._folder, self._index, changes_lock)
        self._listing = Listing(self._folder, self._index, self._progress, skipped)
        self._measuring = asyncio.Lock()  # what was completed without a waveform, one at a time

    async def start(self) -> None:
        started_at_ns = await threads.recording.run(self._prepare)
        self.sync.start()
        if self._leadership.is_held:
            self.upkeep.start(started_at_ns)

    async def stop(self) -> None:
        await self.upkeep.stop()
        self._leadership.give_up()
        await self.sync.stop()
        self.outbox.release()
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
        """Return the address of the other worker that owns the session: a folder has one node."""
        return await threads.reading.run(self.sibling, UUID(manifest.session_id))

    def sibling(self, session_id: UUID) -> str | None:
        return self._ownership.owner(session_id)

    def problems(self) -> list[str]:
        return []

    @property
    def node_id(self) -> str:
        return ""

    @property
    def lease_age_seconds(self) -> float:
        """Return 0: a folder has one node, and no lease."""
        return 0.0

    async def active_sessions(self) -> list[UUID]:
        return await threads.listing.run(self._active.sessions)

    async def sessions_of_call(self, call_hash: str) -> list[UUID]:
        return await threads.recording.run(self._active.of_call, call_hash)

    async def share(self) -> list[UUID]:
        return await threads.listing.run(self._share)

    async def abandoned(self) -> list[UUID]:
        if not self._leadership.is_held and await threads.recording.run(self._leadership.take):
            self.upkeep.start(await threads.recording.run(self._check))
        return await threads.listing.run(self._abandoned)

    async def orphans(self) -> list[UUID]:
        """Return what 0.2.0 has left and the comparison has found: a folder has one node."""
        return self.upkeep.adopted()

    async def progress(self, manifest: Manifest) -> Progress:
        return await threads.reading.run(self._progress, manifest)

    async def manifest(self, session_id: UUID) -> Manifest:
        return await threads.recording.run(self._folder.manifest, session_id)

    async def manifests(
        self,
        filters: Filters = ALL,
        *,
        limit: int,
        cursor: UUID | None = None,
    ) -> Page:
        return await threads.listing.run(self._listing.page, filters, limit, cursor)

    async def change(self, manifest: Manifest, changes: DetailChanges) -> Manifest:
        session_id = UUID(manifest.session_id)
        return await threads.recording.run(self._details.change, session_id, changes)

    async def timeline(self, manifest: Manifest) -> bytes:
        return await threads.reading.run(self._timeline, manifest)

    async def audio(self, manifest: Manifest) -> VolumeAudio:
        return await threads.reading.run(self._audio, manifest)

    async def is_sweeper(self) -> bool:
        return self._leadership.is_held

    async def sessions_below(self, session_id: UUID) -> AsyncGenerator[AgedPage, None]:
        found = await threads.listing.run(self._folder.sessions_below, session_id)
        for start in range(0, len(found), _AGED_PAGE):
            page = found[start : start + _AGED_PAGE]
            yield AgedPage(await threads.listing.run(self._folder.aged, page))

    async def expired(self, now: datetime) -> AsyncGenerator[ExpiredPage, None]:
        found = await threads.listing.run(self._due, now)
        for start in range(0, len(found), _AGED_PAGE):
            page = found[start : start + _AGED_PAGE]
            yield ExpiredPage(await threads.listing.run(self._expired_of, page, now))

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
            self._deletion.run_each, [found.session_id for found, _ in sessions]
        )

    async def delete_damaged(self, session_id: UUID) -> None:
        await threads.recording.run(self._delete, session_id)

    def location(self, session_id: UUID) -> str:
        return str(self._paths(session_id).audio)

    def _prepare(self) -> int:
        """Return the time by the clock of the file system."""
        if self._worker is None:
            self._lock = lock_folder(self._folder.path)
            with files.translated_errors():
                self.upkeep.open()  # first: it compares the modification time of the folder
                self._active.prepare()
        with files.translated_errors():
            self._leadership.take()
        return self._check()

    def _due(self, now: datetime) -> list[UUID]:
        """Return the sessions that may have expired: all of them while there is no index."""
        found = self._index.due(now)
        return list(self._folder.sessions()) if found is None else found

    def _expired_of(
        self, session_ids: list[UUID], now: datetime
    ) -> list[tuple[AgedSession, Manifest]]:
        found = []
        for session_id in session_ids:
            try:
                manifest = self._folder.manifest(session_id)
            except RecordingNotFoundError:
                continue  # deleted meanwhile
            except BadObjectError as error:
                self._skipped.report(str(session_id), error)
                continue
            if manifest.status == "completed" and manifest.is_expired(now):
                found.append((AgedSession(session_id, None), manifest))
        return found

    def _share(self) -> list[UUID]:
        """Return this worker's share of the active sessions, so that workers start alike."""
        found = self._unowned()
        if self._worker is None:
            return found
        worker = self._worker
        return [each for each in found if (each.int - worker.number) % worker.count == 0]

    def _abandoned(self) -> list[UUID]:
        """Return the active sessions of no worker; remove what completed ones have left."""
        return [each for each in self._unowned() if not self._was_completed(each)]

    def _was_completed(self, session_id: UUID) -> bool:
        """Return whether a worker ended while it completed the session; remove its state then."""
        try:
            if self._folder.manifest(session_id).status == "active":
                return False
            with files.translated_errors(), self._ownership.taken(session_id):
                self._active.remove(session_id)
        except RecordingNotFoundError:  # another worker is creating it
            return False
        except StorageError as error:  # also if its manifest is damaged: it harms no other session
            logger.warning("%s: the state was left as it is: error=%s", session_id, error)
            return False
        self._ownership.give_up(session_id)
        return True

    def _unowned(self) -> list[UUID]:
        return [each for each in self._active.sessions() if self.sibling(each) is None]

    def _check(self) -> int:
        """Write and remove a file; return when it was written, in nanoseconds."""
        probe = self._folder.path / f".probe-{uuid4()}.tmp"  # a crash may leave it
        with files.translated_errors():
            files.replace(probe, b"written to see whether it can be\n")
            written_at_ns = probe.stat().st_mtime_ns
            probe.unlink()
        return written_at_ns

    def _create(self, manifest: Manifest) -> VolumeRecording:
        session_id = UUID(manifest.session_id)
        session = self._paths(session_id)
        with files.translated_errors():
            self._active.create(session_id)
            try:
                with self._ownership.taken(session_id):
                    return self._begin(session, manifest)
            except (OSError, StorageError):
                self._active.unlink(session_id)
                session.remove_created(manifest.call_hash)
                raise

    def _begin(self, session: SessionPaths, manifest: Manifest) -> VolumeRecording:
        recording = self._recording(session, manifest)
        try:
            recording.begin()
            if manifest.call_hash is not None:
                session.call(manifest.call_hash).touch()
            # After the files, whose syncs have mostly made the names durable already.
            self._active.sync(UUID(manifest.session_id))
            # The manifest comes last: with it, the session exists.
            with self._index.adding(row_of(manifest)):
                files.replace(session.manifest, manifests.encode(manifest))
        except (OSError, StorageError):
            recording.close()
            raise
        return recording

    def _recover(self, manifest: Manifest) -> VolumeRecording:
        session_id = UUID(manifest.session_id)
        # It may have been completed or deleted since the caller read its manifest.
        self._check_active(session_id)
        session = self._paths(session_id)
        with files.translated_errors():
            self._active.ensure(session_id)
            with self._ownership.taken(session_id):
                if self._worker is not None:
                    self._check_still_active(session_id)
                recording = self._recording(session, manifest)
                try:
                    recording.recover()
                except (OSError, StorageError):
                    recording.close()
                    raise
        return recording

    def _check_active(self, session_id: UUID) -> None:
        """Raise `RecordingNotFoundError` if the session is completed or deleted."""
        if self._folder.manifest(session_id).status != "active":
            raise RecordingNotFoundError(str(session_id))

    def _check_still_active(self, session_id: UUID) -> None:
        """Check again, now that no other worker can complete it; remove a state made in vain."""
        try:
            self._check_active(session_id)
        except RecordingNotFoundError:
            self._active.remove(session_id)
            raise

    def _recording(self, session: SessionPaths, manifest: Manifest) -> VolumeRecording:
        return VolumeRecording(
            session,
            manifest,
            on_changed=self.sync.add,
            on_released=self._released,
            on_completed=self._completed,
            peaks=GrowingWaveform(
                session.growing_peaks(boot_id()), manifest.pcm_format, self._measuring_limits
            ),
            receipts=self._receipts,
            disk=self._disk,
            observer=self._observer,
        )

    def _released(self, recording: VolumeRecording) -> None:
        self.sync.discard(recording)
        self._ownership.give_up(UUID(recording.manifest.session_id))

    def _delete(self, session_id: UUID) -> None:
        """Delete a session that no other worker writes, nor opens meanwhile."""
        if self._worker is None or not self._folder.state(session_id).exists():
            self._deletion.run(session_id)
            return
        with files.translated_errors(), self._ownership.taken(session_id):
            self._deletion.run(session_id)
        self._ownership.give_up(session_id)

    def _completed(self, manifest: Manifest) -> None:
        self._index.put([row_of(manifest)])
        self._active.unlink(UUID(manifest.session_id))

    def _progress(self, manifest: Manifest) -> Progress:
        session = self._paths(UUID(manifest.session_id))
        found = recover(session, manifest, self._disk.boot_id)
        return Progress(found.checkpoint, found.persisted)

    def _timeline(self, manifest: Manifest) -> bytes:
        session = self._paths(UUID(manifest.session_id))
        if manifest.status == "active" and not session.checkpoint.exists():
            manifest = self._folder.manifest(UUID(manifest.session_id))
        if manifest.status == "completed":
            if not session.timeline.exists():  # of a release without timelines
                return timeline.encode(timeline.unknown(manifest))
            with files.translated_errors():
                return session.timeline.read_bytes()
        found = recover(session, manifest, self._disk.boot_id).checkpoint
        entries = timeline_entries(session, found)
        return timeline.encode(timeline.timeline_of(manifest, found, entries))

    def _audio(self, manifest: Manifest) -> VolumeAudio:
        session = self._paths(UUID(manifest.session_id))
        if manifest.status == "active" and not session.checkpoint.exists():
            # The session was completed or deleted since the caller read its manifest.
            manifest = self._folder.manifest(UUID(manifest.session_id))
        if manifest.status == "completed":
            pcm_bytes = manifest.pcm_bytes
            source: WaveformSource = KeptWaveform(
                WaveformFile(session), manifest.pcm_format, self._measuring
            )
        else:
            pcm_bytes = recover(session, manifest, self._disk.boot_id).checkpoint.pcm_bytes
            source = PartialWaveform(session, None)
        return open_audio(session, manifest.pcm_format, pcm_bytes, source)

    def _paths(self, session_id: UUID) -> SessionPaths:
        return self._folder.paths(session_id)
