"""All sessions of one bucket."""

import asyncio
import logging
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import uuid_utils.compat

from storage import manifest as manifests
from storage.base import Link, Page
from storage.checkpoint import Checkpoint
from storage.errors import FencedError, RecordingNotFoundError
from storage.manifest import Manifest, Status
from storage.s3 import keys
from storage.s3.admin.doctor import PROBES, create_once
from storage.s3.cleaning import Cleaning, remove_folder
from storage.s3.client.bucket import Bucket, BucketSettings
from storage.s3.client.presigner import Presigner
from storage.s3.keys import SessionKeys
from storage.s3.ownership.lease import Lease, must_not_be_owned_elsewhere, owner_of
from storage.s3.ownership.node import Leasing, Node
from storage.s3.reading.audio import CompletedAudio, GrowingAudio
from storage.s3.reading.listing import read_manifest, read_page
from storage.s3.writing.recording import S3Recording, Shipping
from storage.s3.writing.refill import refill
from storage.s3.writing.segment_log import Segments
from storage.s3.writing.spool import Spool, remove, spool_paths, spooled_sessions
from storage.s3.writing.upload import Upload, abort_uploads

logger = logging.getLogger(__name__)

_UNBORN = timedelta(hours=1)  # no session takes that long to create
_RACERS = 4  # at start; more take seconds on some stores
_tried: set[tuple[str | None, str]] = set()  # buckets that this process has found fit


class S3Storage:
    """See `storage.base.Storage`; the package says what lies under which key."""

    def __init__(
        self,
        settings: BucketSettings,
        spool_folder: Path,
        shipping: Shipping | None = None,
        leasing: Leasing | None = None,
    ) -> None:
        self._bucket = Bucket(settings)
        self._presigner = Presigner(settings)
        self._spool_folder = spool_folder.absolute()
        self._shipping = shipping or Shipping()
        self._leasing = leasing or Leasing()
        self._node = Node(self._bucket, self._spool_folder, self._leasing)
        self._open: dict[UUID, S3Recording] = {}
        self._left_spools: set[UUID] = set()  # by the process before
        self._measuring = asyncio.Lock()  # what was completed without a waveform, one at a time
        self._cleaning = Cleaning(
            self._bucket, self._spool_folder, keep_segments=self._shipping.keep_segments
        )

    async def start(self) -> None:
        await self._bucket.start()
        place = self._bucket.settings.endpoint_url, self._bucket.settings.bucket
        if place not in _tried:
            await create_once(self._bucket, _RACERS)
            _tried.add(place)
        await self._node.start()
        self._left_spools = await asyncio.to_thread(spooled_sessions, self._spool_folder)

    async def stop(self) -> None:
        for recording in self._open.values():
            recording.abandon()
        await self._cleaning.stop()
        await self._node.stop()
        await self._bucket.stop()

    async def check(self) -> None:
        key = f"{PROBES}{uuid_utils.compat.uuid7()}"
        await self._bucket.create(key, b"written to see whether it can be\n")
        await self._bucket.delete([key])

    async def create(self, manifest: Manifest) -> S3Recording:
        session_id = UUID(manifest.session_id)
        session = SessionKeys(session_id)
        lease = Lease(self._bucket, session, self._node, epoch=1)
        spool = await asyncio.to_thread(self._create_spool, manifest, lease.epoch)
        try:
            # The manifest comes last: with it, the session exists.
            for key in (session.active, *session.index(manifest.user_id)):
                await self._bucket.put(key, b"")
            await lease.begin()
            encoded = manifests.encode(manifest)
            await self._bucket.create(session.manifest, encoded, "application/json")
        except BaseException:
            spool.discard()
            raise
        segments = Segments(self._bucket, session, manifest.pcm_format, lease)
        return self._recording(manifest, spool, segments, Checkpoint(), None)

    async def open(self, session_id: UUID) -> S3Recording:
        manifest = await self._active(session_id)
        session = SessionKeys(session_id)
        lease = await Lease.take(self._bucket, session, self._node)
        spool = await asyncio.to_thread(self._recover_spool, manifest)
        segments = Segments(self._bucket, session, manifest.pcm_format, lease)

        async def found(persisted: Checkpoint) -> None:
            # Before the segment that names this epoch: who dies in between must know the spool as
            # its own, but not one that another node has written behind.
            nonlocal spool
            if spool is not None and not _continues(spool, segments, persisted):
                await asyncio.to_thread(spool.discard)
                spool = None
            if spool is not None:
                await asyncio.to_thread(spool.note_epoch, lease.epoch)

        try:
            persisted = await segments.take_over(found)
            # Where the session was completed and tidied up meanwhile, nothing stood in the way.
            await self._active(session_id)
            upload = await Upload.find(self._bucket, session.audio, self._shipping.part_bytes)
        except BaseException as error:
            if spool is not None:
                spool.close()
            if isinstance(error, RecordingNotFoundError | FencedError):
                self._cleaning.begin(session_id)  # of what was put here
            raise
        if spool is None:
            spool = await self._refilled(manifest, segments, persisted, upload)
        recording = self._recording(manifest, spool, segments, persisted, upload)
        if segments.completed_at is not None:  # its last writer died over it
            try:
                await recording.complete(segments.completed_at)
            except BaseException:
                await recording.release()
                raise
            raise RecordingNotFoundError(str(session_id))
        return recording

    async def _refilled(
        self, manifest: Manifest, segments: Segments, persisted: Checkpoint, upload: Upload | None
    ) -> Spool:
        spool = await asyncio.to_thread(self._create_spool, manifest, segments.writer.epoch)
        try:
            await refill(
                self._bucket,
                spool,
                segments,
                persisted,
                upload=upload,
                part_bytes=self._shipping.part_bytes,
            )
        except BaseException:
            spool.discard()
            raise
        return spool

    async def active_sessions(self) -> list[UUID]:
        found = []
        for session_id in sorted(map(keys.session_of, await self._bucket.keys(keys.ACTIVE))):
            try:
                manifest = await self.manifest(session_id)
            except RecordingNotFoundError:
                if self._leasing.now() - keys.began_at(session_id) > _UNBORN:
                    self._cleaning.begin(session_id)  # whoever was creating it died over it
                continue
            if manifest.status == "active":
                found.append(session_id)
            else:
                self._cleaning.begin(session_id)
        for session_id in self._left_spools - {*found, *self._open}:
            logger.warning("%s has ended elsewhere; its spool is removed", session_id)
            await asyncio.to_thread(remove, spool_paths(self._spool_folder, session_id))
        self._left_spools.clear()
        return found

    async def orphans(self) -> list[UUID]:
        dead = await self._node.dead()
        if not dead:
            return []
        found, owners = [], set()
        for session_id in await self.active_sessions():
            owner = await owner_of(self._bucket, SessionKeys(session_id))
            if owner is not None:
                owners.add(owner.node_id)
                if owner.node_id in dead:
                    found.append(session_id)
        for node_id in set(dead) - owners:
            await self._node.bury(node_id)
        return found

    async def progress(self, session_id: UUID) -> Checkpoint:
        manifest = await self.manifest(session_id)
        return await Segments(self._bucket, SessionKeys(session_id), manifest.pcm_format).load()

    async def _active(self, session_id: UUID) -> Manifest:
        manifest = await self.manifest(session_id)
        if manifest.status != "active":
            raise RecordingNotFoundError(str(session_id))
        return manifest

    async def manifest(self, session_id: UUID) -> Manifest:
        return await read_manifest(self._bucket, session_id)

    async def manifests(
        self, *, status: Status | None, user_id: str | None, limit: int, cursor: str | None
    ) -> Page:
        return await read_page(
            self._bucket, status=status, user_id=user_id, limit=limit, cursor=cursor
        )

    async def audio(self, session_id: UUID) -> CompletedAudio | GrowingAudio:
        recording, session = self._open.get(session_id), SessionKeys(session_id)
        if recording is not None and recording.is_growing:  # who listens asks often
            manifest = recording.manifest
        else:
            manifest = await self.manifest(session_id)
        if manifest.status == "completed":
            head = await self._bucket.head(session.audio)
            return CompletedAudio(
                self._bucket,
                session,
                manifest.pcm_format,
                head.size_bytes,
                head.modified_at,
                self._measuring,
            )
        if recording is not None:
            segments = recording.segments
        else:
            segments = Segments(self._bucket, session, manifest.pcm_format)
            await must_not_be_owned_elsewhere(self._bucket, session, self._node)
            await segments.load()
        return GrowingAudio(segments, manifest.pcm_format, manifest.created_at, recording)

    async def link(self, session_id: UUID, ttl_seconds: int, now: datetime) -> Link | None:
        if (await self.manifest(session_id)).status != "completed":
            return None
        key = SessionKeys(session_id).audio
        return await asyncio.to_thread(self._presigner.link, key, ttl_seconds, now)

    async def delete(self, session_id: UUID) -> None:
        manifest, session = await self.manifest(session_id), SessionKeys(session_id)
        if manifest.status == "active":
            await must_not_be_owned_elsewhere(self._bucket, session, self._node)
        await self._cleaning.end(session_id)
        await asyncio.to_thread(remove, spool_paths(self._spool_folder, session_id))
        await abort_uploads(self._bucket, session.audio)
        await remove_folder(self._bucket, session)
        await self._bucket.delete([session.audio, *session.index(manifest.user_id), session.active])
        # Behind the audio: who makes it meanwhile looks whether there still is any.
        await self._bucket.delete([session.peaks])
        # Last, so that a deletion that was cut short can be asked for again.
        await self._bucket.delete([session.manifest])

    def location(self, session_id: UUID) -> str:
        return self._bucket.url(SessionKeys(session_id).audio)

    def _recording(
        self,
        manifest: Manifest,
        spool: Spool,
        segments: Segments,
        persisted: Checkpoint,
        upload: Upload | None,
    ) -> S3Recording:
        recording = S3Recording(
            manifest,
            spool,
            segments,
            self._bucket,
            self._shipping,
            persisted=persisted,
            upload=upload,
            lease=segments.writer,
            released=self._released,
        )
        self._open[UUID(manifest.session_id)] = recording
        return recording

    def _released(self, recording: S3Recording) -> None:
        session_id = UUID(recording.manifest.session_id)
        self._open.pop(session_id, None)
        if recording.is_completed or recording.is_fenced:
            self._cleaning.begin(session_id)

    def _create_spool(self, manifest: Manifest, epoch: int) -> Spool:
        paths = spool_paths(self._spool_folder, UUID(manifest.session_id))
        return Spool.create(paths, manifest, self._mark_bytes(manifest), epoch)

    def _recover_spool(self, manifest: Manifest) -> Spool | None:
        paths = spool_paths(self._spool_folder, UUID(manifest.session_id))
        return Spool.recover(paths, manifest, self._mark_bytes(manifest))

    def _mark_bytes(self, manifest: Manifest) -> int:
        return int(self._shipping.segment_seconds * manifest.pcm_format.bytes_per_second)


def _continues(spool: Spool, segments: Segments, persisted: Checkpoint) -> bool:
    """Whether the spool holds what the segments do, and perhaps more.

    Not where another node has written since, or where a power cut took what was spooled.
    """
    if segments.last_epoch and segments.last_epoch not in spool.epochs:
        return False
    return _progress(spool.checkpoint) >= _progress(persisted)


def _progress(checkpoint: Checkpoint) -> tuple[int, int]:
    return checkpoint.chunk_count, checkpoint.pcm_bytes
