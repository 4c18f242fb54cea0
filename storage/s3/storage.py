"""All sessions of one bucket."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec
import uuid_utils.compat

from storage import manifest as manifests
from storage import wav
from storage.base import Link, Page, RecordingNotFoundError, StorageError, StorageUnavailableError
from storage.checkpoint import Checkpoint, StreamCheckpoint
from storage.manifest import Manifest, Status
from storage.s3 import keys
from storage.s3.audio import CompletedAudio, GrowingAudio
from storage.s3.bucket import Bucket, BucketSettings
from storage.s3.cleaning import Cleaning
from storage.s3.doctor import PROBES, create_once
from storage.s3.keys import SessionKeys
from storage.s3.lease import Lease, must_not_be_owned_elsewhere, owner_of
from storage.s3.node import Leasing, Node
from storage.s3.presigner import Presigner
from storage.s3.recording import S3Recording, Shipping
from storage.s3.segments import Segments
from storage.s3.spool import Spool, remove, spool_paths, spooled_sessions
from storage.s3.upload import Upload, abort_uploads

logger = logging.getLogger(__name__)

_READ_AT_ONCE = 20
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
        manifest = await self.manifest(session_id)
        if manifest.status != "active":
            raise RecordingNotFoundError(str(session_id))
        session = SessionKeys(session_id)
        lease = await Lease.take(self._bucket, session, self._node)
        spool = await asyncio.to_thread(self._recover_spool, manifest)
        if spool is not None:
            # Before the segment that says so: who dies in between must know it as its own.
            await asyncio.to_thread(spool.note_epoch, lease.epoch)
        segments = Segments(self._bucket, session, manifest.pcm_format, lease)
        persisted = await segments.take_over()
        upload = await Upload.find(self._bucket, session.audio, self._shipping.part_bytes)
        if spool is not None and not _continues(spool, segments, persisted):
            await asyncio.to_thread(spool.discard)
            spool = None
        if spool is None:
            spool = await asyncio.to_thread(self._create_spool, manifest, lease.epoch)
            try:
                await self._refill(spool, segments, persisted, upload)
            except BaseException:
                spool.discard()
                raise
        recording = self._recording(manifest, spool, segments, persisted, upload)
        if segments.completed_at is not None:  # its last writer died over it
            await recording.complete(segments.completed_at)
            raise RecordingNotFoundError(str(session_id))
        return recording

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

    async def manifest(self, session_id: UUID) -> Manifest:
        key = SessionKeys(session_id).manifest
        try:
            return manifests.decode(await self._bucket.get(key))
        except msgspec.MsgspecError as error:
            raise StorageUnavailableError(f"{key} is not a manifest: {error}") from error

    async def manifests(
        self, *, status: Status | None, user_id: str | None, limit: int, cursor: str | None
    ) -> Page:
        page: list[Manifest] = []
        async for manifest in self._manifests_in(status, user_id, cursor):
            if status not in {None, manifest.status} or user_id not in {None, manifest.user_id}:
                continue
            if len(page) == limit:
                return Page(page, next_cursor=page[-1].session_id)
            page.append(manifest)
        return Page(page)

    async def audio(self, session_id: UUID) -> CompletedAudio | GrowingAudio:
        manifest, session = await self.manifest(session_id), SessionKeys(session_id)
        recording = self._open.get(session_id)
        if manifest.status == "completed":
            head = await self._bucket.head(session.audio)
            return CompletedAudio(
                self._bucket, session.audio, str(session_id), head.size_bytes, head.modified_at
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
        await self._bucket.delete(
            [
                session.audio,
                *await self._bucket.keys(session.folder),
                *session.index(manifest.user_id),
                session.active,
            ]
        )
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

    async def _refill(
        self, spool: Spool, segments: Segments, persisted: Checkpoint, upload: Upload | None
    ) -> None:
        """Fetch what the final object still needs, and the input of streams that are open."""
        part_bytes = self._shipping.part_bytes
        first_stop, parts = part_bytes - wav.HEADER_BYTES, 1
        while upload is not None and upload.has(parts + 1):
            parts += 1
        hole = (first_stop, parts * part_bytes - wav.HEADER_BYTES)
        await asyncio.to_thread(spool.begin_restore, persisted.pcm_bytes, hole)
        for start, stop in ((0, min(hole[0], persisted.pcm_bytes)), (hole[1], persisted.pcm_bytes)):
            position = start
            async for block in segments.read(start, stop):
                await asyncio.to_thread(spool.write, block, position)
                position += len(block)
        for stream in persisted.streams:
            await self._refill_input(spool, segments.keys, stream)
        await asyncio.to_thread(spool.end_restore, persisted)

    async def _refill_input(
        self, spool: Spool, session: SessionKeys, stream: StreamCheckpoint
    ) -> None:
        # A writer that lost the session may have left input that no checkpoint counts. Its
        # successor began at or before it: of several at one place, the latest epoch is true.
        stored = await self._bucket.keys(session.input_of(stream.number))
        latest = {keys.input_offset(key): key for key in sorted(stored)}
        position = 0
        for offset, key in latest.items():
            if offset == position < stream.kept_bytes:
                data = await self._bucket.get(key)
                spool.keep_input(stream.number, position, data)
                position += len(data)
        if position < stream.kept_bytes:
            raise StorageUnavailableError(f"{session.input_of(stream.number)} is not whole")

    def _create_spool(self, manifest: Manifest, epoch: int) -> Spool:
        paths = spool_paths(self._spool_folder, UUID(manifest.session_id))
        return Spool.create(paths, manifest, self._mark_bytes(manifest), epoch)

    def _recover_spool(self, manifest: Manifest) -> Spool | None:
        paths = spool_paths(self._spool_folder, UUID(manifest.session_id))
        return Spool.recover(paths, manifest, self._mark_bytes(manifest))

    def _mark_bytes(self, manifest: Manifest) -> int:
        return int(self._shipping.segment_seconds * manifest.pcm_format.bytes_per_second)

    async def _manifests_in(
        self, status: Status | None, user_id: str | None, cursor: str | None
    ) -> AsyncIterator[Manifest]:
        """Candidates, newest first, from whichever part of the index is the shortest."""
        if status == "active":
            found = sorted(map(keys.session_of, await self._bucket.keys(keys.ACTIVE)), reverse=True)
            wanted = [key for key in found if cursor is None or str(key) < cursor]
            async for manifest in self._read_manifests(wanted):
                yield manifest
            return
        prefix = keys.BY_TIME if user_id is None else keys.by_user(user_id)
        after = "" if cursor is None else prefix + keys.index_place(cursor)
        async for page in self._bucket.pages(prefix, start_after=after):
            async for manifest in self._read_manifests([keys.session_of(e.key) for e in page]):
                yield manifest

    async def _read_manifests(self, session_ids: list[UUID]) -> AsyncIterator[Manifest]:
        for start in range(0, len(session_ids), _READ_AT_ONCE):
            batch = session_ids[start : start + _READ_AT_ONCE]
            found = await asyncio.gather(*map(self.manifest, batch), return_exceptions=True)
            for session_id, manifest in zip(batch, found, strict=True):
                if isinstance(manifest, Manifest):
                    yield manifest
                elif isinstance(manifest, RecordingNotFoundError):
                    continue  # deleted meanwhile
                elif isinstance(manifest, StorageError):
                    logger.error("left out of the list: %s: %s", session_id, manifest)
                else:
                    raise manifest


def _continues(spool: Spool, segments: Segments, persisted: Checkpoint) -> bool:
    """Whether the spool holds what the segments do, and perhaps more.

    Not where another node has written since, or where a power cut took what was spooled.
    """
    if segments.last_epoch and segments.last_epoch not in spool.epochs:
        return False
    return _progress(spool.checkpoint) >= _progress(persisted)


def _progress(checkpoint: Checkpoint) -> tuple[int, int]:
    return checkpoint.chunk_count, checkpoint.pcm_bytes
