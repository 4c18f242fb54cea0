"""All sessions of one bucket."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from datetime import datetime
from pathlib import Path
from uuid import UUID

import uuid_utils.compat

from storage import manifest as manifests
from storage import threads, timeline
from storage.base import AgedPage, AgedSession, ExpiredPage, Link, Page, Progress
from storage.checkpoint import TIMELINE, Checkpoint
from storage.details import DetailChanges
from storage.errors import FencedError, RecordingNotFoundError
from storage.file_name import content_disposition
from storage.filters import ALL, Filters
from storage.manifest import Manifest
from storage.observer import IGNORE, Observer
from storage.receipt_issuer import ReceiptIssuer, unsigned
from storage.recording_state import RecordingState
from storage.s3 import holds, keys
from storage.s3.active_sessions import ActiveSessions
from storage.s3.admin.configuration import PROBES
from storage.s3.admin.doctor import check_create_once
from storage.s3.cleaning import SessionCleaner
from storage.s3.client.bucket import Bucket, BucketSettings
from storage.s3.client.presigner import Presigner
from storage.s3.deletion import DeletedSession, Deletion
from storage.s3.keys import SessionKeys
from storage.s3.outbox import S3Outbox
from storage.s3.ownership.lease import (
    Lease,
    check_not_owned_elsewhere,
    living_owner,
)
from storage.s3.ownership.node import Node
from storage.s3.ownership.peers import LeaseSettings
from storage.s3.reading.aged import sessions_below
from storage.s3.reading.audio import CompletedAudio
from storage.s3.reading.expired import expired
from storage.s3.reading.listing import read_checkpoint, read_page
from storage.s3.reading.waveforms import WaveformReader
from storage.s3.shared_links import S3SharedLinks
from storage.s3.takeover import Takeover
from storage.s3.writing.growing_audio import GrowingAudio
from storage.s3.writing.manifests import change_details, read_current_manifest
from storage.s3.writing.recording import S3Recording, UploadSettings
from storage.s3.writing.restore import read_input
from storage.s3.writing.segment_log import SegmentLog
from storage.s3.writing.spool import Spool, SpoolFolder
from storage.s3.writing.upload import Upload
from storage.supervisor import Supervisor
from storage.volume.disk import Disk
from storage.worker import Worker

_RACERS = 4  # at start; more take seconds on some stores


class S3Storage:
    """See `storage.base.Storage`; the package says what lies under which key."""

    def __init__(
        self,
        settings: BucketSettings,
        spool_folder: Path,
        upload_settings: UploadSettings | None = None,
        lease_settings: LeaseSettings | None = None,
        *,
        is_store_checked: bool = False,
        disk: Disk | None = None,
        supervisor: Supervisor | None = None,
        observer: Observer = IGNORE,
        worker: Worker | None = None,
        receipts: ReceiptIssuer | None = None,
    ) -> None:
        """``is_store_checked``: :meth:`start` does not try again whether the store is fit.

        ``worker``: this process is one of several, each of which is a node.
        """
        self._observer = observer
        self._receipts = receipts or unsigned("sercuescribe")
        self._bucket = Bucket(settings, observer=observer)
        self._presigner = Presigner(settings)
        self._upload_settings = upload_settings or UploadSettings()
        lease_settings = lease_settings or LeaseSettings()
        self._worker = worker
        self._is_store_checked = is_store_checked
        self._supervisor = supervisor or Supervisor()
        folder = spool_folder.absolute()
        self._node = Node(self._bucket, folder, lease_settings, self._supervisor, worker)
        self._spools = SpoolFolder(
            folder,
            self._upload_settings.segment_seconds,
            disk,
            folders=lambda: self._node.folders.paths,
        )
        self.outbox = S3Outbox(self._bucket, self._node)
        self.shared_links = S3SharedLinks(self._bucket)
        self._waveforms = WaveformReader(self._bucket, self._spools.path)
        self._measuring = asyncio.Lock()  # what was completed without a waveform, one at a time
        self._cleaner = SessionCleaner(
            self._bucket, self._spools, keep_segments=self._upload_settings.keep_segments
        )
        self._deletion = Deletion(self._bucket, self._spools, self._cleaner)
        self._active_sessions = ActiveSessions(
            self._bucket, self._node, self._spools, self._cleaner, lease_settings.now
        )

    async def start(self) -> None:
        await self._bucket.start()
        if not self._is_store_checked:
            await check_create_once(self._bucket, _RACERS)
        await self._node.start()
        await self._active_sessions.start()

    async def stop(self) -> None:
        await self._cleaner.stop()
        await self._node.stop()
        await self._bucket.stop()

    async def check(self) -> None:
        key = f"{PROBES}{uuid_utils.compat.uuid7()}"
        await self._bucket.create(key, b"written to see whether it can be\n")
        await self._bucket.delete([key], keep_versions=True)  # a lifecycle rule removes them

    async def create(self, manifest: Manifest) -> S3Recording:
        session_id = UUID(manifest.session_id)
        session = SessionKeys(session_id)
        lease = Lease(self._bucket, session, self._node, epoch=1)
        spool = await threads.recording.run(self._spools.create, manifest, lease.epoch)
        try:
            # The manifest comes last: with it, the session exists.
            marks = [session.active, *session.call(manifest.call_hash)]
            for key in (*marks, *session.index_of(manifest)):
                await self._bucket.put(key, b"")
            if manifest.hold:
                await holds.hold(self._bucket, session)
            await lease.create()
            encoded = manifests.encode(manifest)
            await self._bucket.create(session.manifest, encoded, "application/json")
        except BaseException:
            spool.discard()
            raise
        segments = SegmentLog(self._bucket, session, manifest.pcm_format, lease)
        return self._recording(manifest, spool, segments, Checkpoint(), None)

    async def open(self, manifest: Manifest) -> S3Recording:
        if manifest.status != "active":
            raise RecordingNotFoundError(manifest.session_id)
        takeover = Takeover(
            manifest,
            self._bucket,
            self._node,
            self._spools,
            self._upload_settings.part_bytes,
            self._observer,
        )
        try:
            spool = await takeover.run()
        except (RecordingNotFoundError, FencedError):
            self._cleaner.start(UUID(manifest.session_id))  # the takeover may have put objects
            raise
        recording = self._recording(
            manifest, spool, takeover.segments, takeover.persisted, takeover.upload
        )
        if (completed_at := takeover.segments.completed_at) is not None:
            await self._finish_completion(recording, completed_at)
            raise RecordingNotFoundError(manifest.session_id)
        return recording

    async def _finish_completion(self, recording: S3Recording, at: datetime) -> None:
        """Complete a session whose last writer died while it completed it."""
        try:
            await recording.complete(at)
        except BaseException:
            await recording.release()
            raise

    async def active_sessions(self) -> list[UUID]:
        return await self._active_sessions.all()

    async def sessions_of_call(self, call_hash: str) -> list[UUID]:
        marks = await self._bucket.keys(keys.by_call(call_hash))
        return sorted(self._bucket.skipped.parsed(marks, keys.session_of), reverse=True)

    async def share(self) -> list[UUID]:
        return await self._active_sessions.all()

    async def abandoned(self) -> list[UUID]:
        adopted = await threads.recording.run(self._node.folders.adopt)
        return await self._active_sessions.left_in(adopted)

    def sibling(self, session_id: UUID) -> str | None:
        if self._worker is None:
            return None
        place = self._node.folders.spool_place(session_id)
        return None if place.is_here else place.elsewhere or None

    async def orphans(self) -> list[UUID]:
        return await self._active_sessions.orphans()

    async def owner(self, manifest: Manifest) -> str | None:
        if manifest.status != "active":
            return None
        return await living_owner(self._bucket, SessionKeys.of(manifest), self._node)

    def problems(self) -> list[str]:
        return self._node.peers.problems()

    @property
    def node_id(self) -> str:
        return self._node.node_id

    @property
    def lease_age_seconds(self) -> float:
        return self._node.lease_age_seconds

    async def progress(self, manifest: Manifest) -> Progress:
        persisted = await read_checkpoint(self._bucket, manifest)
        return Progress(persisted, persisted)

    async def manifest(self, session_id: UUID) -> Manifest:
        return await read_current_manifest(self._bucket, session_id)

    async def manifests(
        self,
        filters: Filters = ALL,
        *,
        limit: int,
        cursor: UUID | None = None,
    ) -> Page:
        return await read_page(self._bucket, filters, limit=limit, cursor=cursor)

    async def change(self, manifest: Manifest, changes: DetailChanges) -> Manifest:
        return await change_details(self._bucket, manifest, changes)

    async def timeline(self, manifest: Manifest) -> bytes:
        session = SessionKeys.of(manifest)
        if manifest.status == "active":
            found = (await self.progress(manifest)).checkpoint
            entries = await read_input(self._bucket, session, TIMELINE, found.timeline_bytes)
            if len(entries) < found.timeline_bytes or not found.chunk_count:
                manifest = await self.manifest(session.session_id)  # perhaps completed meanwhile
            if manifest.status == "active":
                return await threads.reading.run(_timeline, manifest, found, entries)
        try:
            return await self._bucket.get(session.timeline)
        except RecordingNotFoundError:  # of a release without timelines
            return timeline.encode(timeline.unknown(manifest))

    async def audio(self, manifest: Manifest) -> CompletedAudio | GrowingAudio:
        session = SessionKeys.of(manifest)
        if manifest.status == "active":
            segments = SegmentLog(self._bucket, session, manifest.pcm_format)
            with contextlib.suppress(RecordingNotFoundError):  # the last one was deleted meanwhile
                await segments.load()
            if not segments.count:
                # Nothing is persisted yet, or the session was completed and cleaned up since the
                # caller read its manifest.
                manifest = await self.manifest(session.session_id)
            if manifest.status == "active":
                return GrowingAudio(segments, manifest.pcm_format, manifest.created_at)
        return CompletedAudio(
            self._bucket,
            session,
            manifest.pcm_format,
            manifest.size_bytes,
            manifest.completed_at or manifest.created_at,
            self._waveforms,
            self._measuring,
        )

    async def is_sweeper(self) -> bool:
        return await self._node.is_sweeper()

    def sessions_below(self, session_id: UUID) -> AsyncGenerator[AgedPage, None]:
        return sessions_below(self._bucket, session_id)

    def expired(self, now: datetime) -> AsyncGenerator[ExpiredPage, None]:
        return expired(self._bucket, now)

    async def link(self, manifest: Manifest, ttl_seconds: int, now: datetime) -> Link | None:
        if manifest.status != "completed":
            return None
        key = SessionKeys.of(manifest).audio
        name = content_disposition(manifest, "wav", "attachment")
        keys_now = await self._bucket.credentials.current()
        return await threads.reading.run(
            self._presigner.link, key, name, ttl_seconds, now, keys=keys_now
        )

    async def delete(self, manifest: Manifest) -> None:
        session = SessionKeys.of(manifest)
        if manifest.status == "active":
            await check_not_owned_elsewhere(self._bucket, session, self._node)
        index = [*session.index_of(manifest), *session.call(manifest.call_hash)]
        await self._deletion.run([DeletedSession(session, index)])

    async def delete_completed(
        self, sessions: list[tuple[AgedSession, Manifest]]
    ) -> dict[UUID, Exception]:
        return await self._deletion.run_each(
            [DeletedSession.of_completed(*each) for each in sessions]
        )

    async def delete_damaged(self, session_id: UUID) -> None:
        session = SessionKeys(session_id)
        await check_not_owned_elsewhere(self._bucket, session, self._node)
        # The manifest has what they depend on: look for the session among the entries of all.
        index = [
            entry.key
            for prefix in (keys.BY_USER, keys.EXPIRING, keys.CALLS)
            async for page in self._bucket.pages(prefix)
            for entry in page
            if keys.session_of(entry.key) == session_id
        ]
        await self._deletion.run([DeletedSession(session, [*session.index(None), *index])])

    def location(self, session_id: UUID) -> str:
        return self._bucket.url(SessionKeys(session_id).audio)

    def _recording(
        self,
        manifest: Manifest,
        spool: Spool,
        segments: SegmentLog,
        persisted: Checkpoint,
        upload: Upload | None,
    ) -> S3Recording:
        self._active_sessions.opened(UUID(manifest.session_id))
        return S3Recording(
            manifest,
            spool,
            segments,
            self._bucket,
            self._upload_settings,
            persisted=persisted,
            upload=upload,
            lease=segments.lease,
            on_released=self._released,
            supervisor=self._supervisor,
            observer=self._observer,
            receipts=self._receipts,
        )

    def _released(self, recording: S3Recording) -> None:
        if recording.state in {RecordingState.COMPLETED, RecordingState.FENCED}:
            self._cleaner.start(UUID(recording.manifest.session_id))


def _timeline(manifest: Manifest, checkpoint: Checkpoint, entries: bytes) -> bytes:
    return timeline.encode(timeline.timeline_of(manifest, checkpoint, entries))
