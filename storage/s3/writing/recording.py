"""One recording on its way into the bucket: spool, segments, parts, object."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime

import msgspec

from storage import threads, timeline
from storage.checkpoint import TIMELINE, Checkpoint
from storage.details import DetailChanges
from storage.errors import (
    BadObjectError,
    FencedError,
    StorageError,
    StorageUnavailableError,
    SyncFailedError,
)
from storage.journal import JOURNAL
from storage.manifest import Manifest
from storage.observer import Observer
from storage.pcm import Buffer
from storage.receipt_issuer import ReceiptIssuer
from storage.recording_state import RecordingState
from storage.retry import Backoff, retry
from storage.s3.client.bucket import Bucket, KeyExistsError
from storage.s3.ownership.lease import Lease
from storage.s3.writing.final_file import FinalFile
from storage.s3.writing.growing_audio import GrowingAudio, UnpersistedAudio
from storage.s3.writing.manifests import change_details, put_completed_manifest
from storage.s3.writing.persisted_digest import PersistedDigest
from storage.s3.writing.segment_log import SegmentLog
from storage.s3.writing.spool import Spool
from storage.s3.writing.upload import Upload
from storage.supervisor import Supervisor
from storage.watermark import Unpersisted, Watermark
from storage.waveform.pixels import Pixels

logger = logging.getLogger(__name__)

_MAX_RETRY_SECONDS = 30.0
_RELEASE_SECONDS = 5.0
_MAX_INPUT_OBJECT_BYTES = 8 * 1024 * 1024  # most of kept input in one object


class UploadSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How audio gets from the spool into the bucket."""

    segment_seconds: float = 5.0
    part_bytes: int = 8 * 1024 * 1024
    spool_max_bytes: int = 256 * 1024 * 1024
    keep_segments: bool = False
    digest_step_bytes: int = 32 * 1024 * 1024  # most that is read again between two segments


class S3Recording:
    """See `storage.base.Recording`. Everything but `append` and `keep_input` may wait.

    One task puts a segment every few seconds, then the parts that have become whole. The last
    segment says what is persisted.
    """

    def __init__(
        self,
        manifest: Manifest,
        spool: Spool,
        segments: SegmentLog,
        bucket: Bucket,
        settings: UploadSettings,
        *,
        persisted: Checkpoint,
        upload: Upload | None,
        lease: Lease,
        on_released: Callable[["S3Recording"], None],
        supervisor: Supervisor,
        observer: Observer,
        receipts: ReceiptIssuer,
    ) -> None:
        self.manifest = manifest
        self.persisted = persisted
        self.segments = segments
        self.spool = spool
        self._keys = segments.keys
        self._final_file = FinalFile(
            bucket, segments, spool, manifest.pcm_format, settings.part_bytes, upload
        )
        self._bucket = bucket
        self._settings = settings
        self._on_released = on_released
        self._lease = lease
        self._lost: Callable[[FencedError | SyncFailedError], None] = lambda _: None
        self.state = RecordingState.OPEN
        self._kept_bytes = persisted.kept_bytes
        self._digest = PersistedDigest(
            bucket,
            segments,
            spool,
            step_bytes=settings.digest_step_bytes,
            keep_bytes=settings.part_bytes,
        )
        self._receipts = receipts
        self._target: Checkpoint | None = None  # of a segment whose put failed: it may exist or not
        self._dropped: list[tuple[int, Checkpoint]] = []  # with the checkpoint that ended them
        self._note_dropped()
        self._observer = observer
        self._watermark = Watermark(observer)
        self._upload_lock = asyncio.Lock()
        self._change_lock = asyncio.Lock()
        self._upload_early = asyncio.Event()  # set if audio comes in faster than in real time
        self._task = supervisor.start("upload", self._upload_loop)

    @property
    def checkpoint(self) -> Checkpoint:
        return self.spool.checkpoint

    @property
    def unpersisted(self) -> Unpersisted:
        return self._watermark.level(self.checkpoint, self.persisted)

    def watch(self, lost: Callable[[FencedError | SyncFailedError], None]) -> None:
        self._lost = lost

    def append(self, pcm: Buffer, checkpoint: Checkpoint) -> None:
        self._check_space(len(pcm))
        self.spool.append(pcm, checkpoint)
        self._watermark.recorded()

    def write_ahead(self, pcm: Buffer) -> None:
        self._check_space(len(pcm))
        self.spool.write_ahead(pcm)

    def keep_input(self, stream: int, offset: int, data: Buffer) -> None:
        self._check_space(len(data))
        self.spool.keep_input(stream, offset, data)

    async def read_input(self, stream: int) -> AsyncIterator[bytes]:
        kept_bytes = self.checkpoint.kept_bytes[stream]
        for start in range(0, kept_bytes, _MAX_INPUT_OBJECT_BYTES):
            stop = min(start + _MAX_INPUT_OBJECT_BYTES, kept_bytes)
            yield await threads.recording.run(self.spool.read_input, stream, start, stop)

    def drop_input(self, stream: int) -> None:
        self._dropped.append((stream, self.checkpoint))

    async def flush(self) -> None:
        wanted = self.checkpoint
        async with self._upload_lock:
            await self._put_segments(wanted)

    async def upload(self) -> None:
        """Persist what there is and put the parts that have become whole."""
        wanted = self.checkpoint
        async with self._upload_lock:
            await self._put_segments(wanted)
            persisted = self.persisted
            is_freed_next = self._final_file.has_whole_part(persisted.pcm_bytes)
            await self._digest.advance_if_due(persisted, is_freed_next=is_freed_next)
            await self._final_file.put_parts(persisted.pcm_bytes)
            await self._digest.keep_if_due()

    async def pixels(self) -> Pixels:
        """Return the whole pixels of the waveform of what is persisted."""
        while self._digest.pcm_bytes < self.persisted.pcm_bytes:
            if self.state is not RecordingState.OPEN:
                break
            async with self._upload_lock:
                await self._digest.advance(self.persisted)
        return await self._digest.pixels()

    async def complete(self, at: datetime) -> Manifest:
        self.state = self.state.sealed()
        await self._stop_uploading()
        async with self._upload_lock:
            await self._put_segments(self.checkpoint)
            with self._detect_fencing():
                await self.segments.seal(self.checkpoint, at)
            await self._digest.advance(self.checkpoint)
            # From here on, every node that repeats this gets the same result.
            etag = await self._final_file.complete(self.checkpoint.pcm_bytes)
            manifest = msgspec.structs.replace(
                self.manifest.completed(self.checkpoint, self.segments.completed_at or at),
                etag=etag,
                # If it is None, the cleaner adds it: completion takes the same time for any length.
                sha256=await self._digest.complete(self.checkpoint.pcm_bytes),
            )
            manifest = await put_completed_manifest(
                self._bucket, await self._with_receipt(manifest)
            )
            await threads.recording.run(self.spool.discard)
        self.state = self.state.to(RecordingState.COMPLETED)
        self._on_released(self)
        return manifest

    async def change(self, changes: DetailChanges) -> None:
        async with self._change_lock:  # each change begins with what the one before has put
            self._check_open()
            manifest = await change_details(self._bucket, self.manifest, changes)
            self.manifest = self.manifest.with_details(manifest.details)

    async def require_release(self) -> None:
        """Let the next segment say so: a process that was only slow must not put the manifest."""
        self.segments.requires_release = True

    async def _with_receipt(self, manifest: Manifest) -> Manifest:
        digests = await self._digest.session_digests(self.checkpoint)
        timeline_digest = await self._put_timeline()
        return await threads.recording.run(
            self._receipts.with_receipt, manifest, digests, timeline_digest
        )

    async def _put_timeline(self) -> str:
        """Put the timeline beside the audio; return its digest."""
        size_bytes, entries = self.checkpoint.timeline_bytes, b""
        if size_bytes:
            with contextlib.suppress(BadObjectError):  # then it is not complete, and says so
                read = self.spool.read_input
                entries = await threads.recording.run(read, TIMELINE, 0, size_bytes)
        found = await threads.recording.run(
            timeline.timeline_of, self.manifest, self.checkpoint, entries, is_final=True
        )
        data = timeline.encode(found)
        await self._bucket.put(self._keys.timeline, data, "application/json")
        return timeline.digest(data)

    async def release(self) -> None:
        self.state = self.state.sealed()
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                await self._stop_uploading()
                await self.flush()
                await self._lease.release()
        except FencedError:
            lost = self.checkpoint.chunk_count - self.persisted.chunk_count
            logger.warning(
                "%s: another node has the session: lost_chunks=%d", self.manifest.session_id, lost
            )
        except SyncFailedError:
            with contextlib.suppress(StorageError, TimeoutError):
                async with asyncio.timeout(_RELEASE_SECONDS):
                    await self._lease.release()
        except (StorageError, TimeoutError) as error:
            logger.warning("%s: stays in its spool: error=%s", self.manifest.session_id, error)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        is_lost = self.state in {RecordingState.FENCED, RecordingState.FAILED}
        is_done = is_lost or self.persisted == self.checkpoint
        await threads.recording.run(self.spool.discard if is_done else self.spool.close)
        self.state = self.state.closed()
        self._on_released(self)

    async def audio(self) -> GrowingAudio:
        self._check_not_lost()
        return GrowingAudio(
            self.segments,
            self.manifest.pcm_format,
            self.manifest.created_at,
            UnpersistedAudio(
                self.checkpoint.pcm_bytes, self.spool.holds, self.spool.read, self.pixels
            ),
        )

    def abandon(self) -> None:
        self.state = self.state.closed()
        self._task.cancel()
        self.spool.close()

    def _check_not_lost(self) -> None:
        if self.state is RecordingState.FENCED:
            raise FencedError(self.manifest.session_id)
        if self.state is RecordingState.FAILED:
            raise SyncFailedError(self.persisted.chunk_count)

    def _check_open(self) -> None:
        if self.state is not RecordingState.OPEN:
            self._check_not_lost()
            raise StorageUnavailableError(f"the recording is {self.state.value}")

    def _check_space(self, more_bytes: int) -> None:
        self._check_open()
        kept_bytes = sum(self.checkpoint.kept_bytes.values())
        waiting_bytes = self.checkpoint.pcm_bytes - self.persisted.pcm_bytes + kept_bytes
        waiting_bytes -= sum(self._kept_bytes.values())
        if waiting_bytes > self._settings.part_bytes:
            self._upload_early.set()
        if waiting_bytes + more_bytes > self._settings.spool_max_bytes:
            self._upload_early.set()  # the caller tries again
            raise StorageUnavailableError(
                f"the bucket is {waiting_bytes} bytes behind and the spool is full"
            )

    async def _upload_loop(self) -> None:
        segment_seconds = self._settings.segment_seconds
        backoff = Backoff(first_seconds=2 * segment_seconds, max_seconds=_MAX_RETRY_SECONDS)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(segment_seconds):
                    await self._upload_early.wait()
            try:
                await retry(
                    self._upload_now,
                    on=StorageError,
                    unless=(FencedError, SyncFailedError),
                    delays=backoff.delays(),
                    failed=self._log_failure,
                )
            except (FencedError, SyncFailedError):
                return  # the caller of `watch` releases the recording

    async def _upload_now(self) -> None:
        self._upload_early.clear()
        await self.upload()

    def _log_failure(self, error: Exception, delay_seconds: float) -> None:
        session_id = self.manifest.session_id
        logger.warning(
            "%s: is not persisted, retrying: error=%s seconds=%.1f",
            session_id,
            error,
            delay_seconds,
        )

    async def _stop_uploading(self) -> None:
        async with self._upload_lock:  # never in the middle of something
            self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _put_segments(self, wanted: Checkpoint) -> None:
        """Persist up to ``wanted`` at least, but not all that comes in meanwhile."""
        self._check_not_lost()
        while self.persisted not in {wanted, self.checkpoint} and _progress(
            self.persisted
        ) <= _progress(wanted):
            await self._put_segment()

    async def _put_segment(self) -> None:
        """Persist up to the next mark."""
        before, asked_at = self.persisted, time.monotonic()
        self._target = target = self._target or self.spool.next_segment_end(before)
        is_latest = target == self.checkpoint
        pcm = await self._read_synced(before.pcm_bytes, target.pcm_bytes)
        for number, kept_bytes in target.kept_bytes.items():
            await self._put_input(number, kept_bytes)
        for number, ended in self._dropped:
            if _progress(ended) <= _progress(target):
                await self._put_input(number, self.spool.input_bytes(number))
        session_id = self.manifest.session_id
        with self._detect_fencing(), self._observer.span("put segment", session_id):
            await self.segments.append(pcm, target)
        self.persisted, self._target = target, None
        if is_latest:
            self._watermark.persisted(until=asked_at, is_all=target == self.checkpoint)
        self._drop_inputs()

    async def _read_synced(self, start: int, stop: int) -> bytes:
        """Return PCM of the spool after a sync, so that a write that has failed is noticed.

        Raises `SyncFailedError`: what the bucket does not have must come from the client again.
        """
        began = time.monotonic()

        def read() -> bytes:
            self.spool.sync()
            self._observer.synced(time.monotonic() - began)
            return self.spool.read(start, stop)

        try:
            return await threads.recording.run(read)
        except SyncFailedError as error:
            self._observer.failed("sync")
            lost = SyncFailedError(self.persisted.chunk_count)
            if not self.state.is_final:
                self.state = self.state.to(RecordingState.FAILED)
                self._lost(lost)
            raise lost from error

    async def _put_input(self, number: int, kept_bytes: int) -> None:
        start = self._kept_bytes.get(number, 0)
        while start < kept_bytes:
            stop = min(start + _MAX_INPUT_OBJECT_BYTES, kept_bytes)
            data = await threads.recording.run(self.spool.read_input, number, start, stop)
            await self._bucket.put(self._keys.input(number, start, self._lease.epoch), data)
            self._kept_bytes[number] = start = stop

    @contextlib.contextmanager
    def _detect_fencing(self) -> Iterator[None]:
        """Become FENCED if another writer's segment has the key of the next one."""
        try:
            yield
        except (KeyExistsError, FencedError) as error:
            if not self.state.is_final:
                self.state = self.state.to(RecordingState.FENCED)
                self._lost(FencedError(self.manifest.session_id))
            raise FencedError(self.manifest.session_id) from error

    def _note_dropped(self) -> None:
        """Note the streams that have ended since the last segment of the process before."""
        last = max((stream.number for stream in self.persisted.streams), default=0)
        open_streams = self.checkpoint.kept_bytes
        for number in self.spool.streams() if last else []:
            is_new = number > last or number in self._kept_bytes
            if is_new and number != JOURNAL and number not in open_streams:
                self._dropped.append((number, self.checkpoint))

    def _drop_inputs(self) -> None:
        """Forget input that is all in the bucket; it stays there for the digests."""
        for stream, ended in self._dropped.copy():
            if _progress(self.persisted) >= _progress(ended):
                self._kept_bytes.pop(stream, None)
                self.spool.drop_input(stream)
                self._dropped.remove((stream, ended))


def _progress(checkpoint: Checkpoint) -> tuple[int, int]:
    return checkpoint.chunk_count, checkpoint.pcm_bytes
