"""One growing WAV on a volume, with its checkpoint beside it."""

import contextlib
import logging
import os
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime

from storage import files, threads, timeline, wav
from storage import manifest as manifests
from storage.checkpoint import TIMELINE, Checkpoint
from storage.details import DetailChanges
from storage.errors import (
    BadObjectError,
    FencedError,
    StorageError,
    StorageUnavailableError,
    SyncFailedError,
)
from storage.manifest import Manifest
from storage.observer import IGNORE, Observer
from storage.pcm import Buffer
from storage.receipt_issuer import ReceiptIssuer
from storage.recording_state import RecordingState
from storage.volume.audio import PartialWaveform, VolumeAudio, open_audio
from storage.volume.checkpoint_file import CheckpointFile
from storage.volume.disk import Disk
from storage.volume.growing_digests import GrowingDigests
from storage.volume.paths import SessionPaths
from storage.volume.recovery import Recovered, recover
from storage.volume.sync_pass import Steps, SyncCall, run_alone
from storage.watermark import Unpersisted, Watermark
from storage.waveform.growing_file import GrowingWaveform

logger = logging.getLogger(__name__)

_OPEN = RecordingState.OPEN  # looking up a member takes time on the hot path
_INPUT_BLOCK_BYTES = 256 * 1024


class VolumeRecording:
    """See `storage.base.Recording`.

    `append` and `keep_input` write in the caller's thread: a ``pwrite`` into the page
    cache costs less than handing it to another thread would. Only the event loop's
    thread moves the checkpoint; any thread may persist it.
    """

    __slots__ = (
        "_audio",
        "_checkpoints",
        "_completed",
        "_digests",
        "_disk",
        "_dropped",
        "_has_new_input",
        "_inputs",
        "_lost",
        "_observer",
        "_on_changed",
        "_on_completed",
        "_on_released",
        "_paths",
        "_persisting",
        "_receipts",
        "_unsynced",
        "_watermark",
        "checkpoint",
        "manifest",
        "peaks",
        "persisted",
        "state",
    )

    def __init__(
        self,
        paths: SessionPaths,
        manifest: Manifest,
        *,
        on_changed: Callable[["VolumeRecording"], None],
        on_released: Callable[["VolumeRecording"], None],
        on_completed: Callable[[Manifest], None] = lambda _: None,
        peaks: GrowingWaveform | None = None,
        receipts: ReceiptIssuer | None = None,
        disk: Disk | None = None,
        observer: Observer = IGNORE,
    ) -> None:
        """Prepare the recording; :meth:`begin` or :meth:`recover` opens its files.

        ``on_completed`` is called in a thread between the manifest and the removal of the state.
        """
        self.manifest = manifest
        self.peaks = peaks
        self.checkpoint = Checkpoint()
        self.persisted = Checkpoint()
        self._paths = paths
        self._receipts = receipts
        self._digests = None if receipts is None else GrowingDigests(paths)
        self._disk = disk or Disk()
        self._on_changed = on_changed
        self._on_released = on_released
        self._on_completed = on_completed
        self._observer = observer
        self._watermark = Watermark(observer)
        self._persisting = threading.Lock()
        self._inputs: dict[int, int] = {}
        self._unsynced: set[int] = set()  # inputs that were written since the last sync
        self._dropped: list[int] = []
        self._lost: Callable[[SyncFailedError], None] = lambda _: None
        self._has_new_input = False  # whose name is not durable
        self._audio = -1
        self._checkpoints: CheckpointFile | None = None
        self._completed: Manifest | None = None  # as it was written
        self.state = RecordingState.OPEN

    def begin(self) -> None:
        """Write the empty WAV and the first checkpoint. Raises ``OSError``."""
        self._open(os.O_TRUNC)
        run_alone(self._sync_steps())

    def recover(self) -> Recovered:
        """Return to the last checkpoint that counts and cut off the audio behind it.

        Return what was found. Raises ``OSError`` and `SyncFailedError`.
        """
        found = recover(self._paths, self.manifest, self._disk.boot_id)
        self.checkpoint, self.persisted = found.checkpoint, found.persisted
        self._open(0)
        if self.checkpoint != self.persisted:
            self._sync_found_inputs()
        for warning in found.new_warnings:
            self._observer.warned(warning.code)
        self._has_new_input = bool(self.checkpoint.kept_bytes)
        if self.peaks is not None:
            self.peaks.resume(self.checkpoint.pcm_bytes)
        if self._digests is not None:
            self._digests.resume(self.persisted)
        self._on_changed(self)
        return found

    def _open(self, flags: int) -> None:
        """Open the files, as long as the checkpoint says."""
        self._audio = os.open(self._paths.audio, os.O_RDWR | os.O_CREAT | flags, 0o666)
        os.ftruncate(self._audio, wav.HEADER_BYTES + self.checkpoint.pcm_bytes)
        self._write_header(self.checkpoint)
        self._checkpoints = CheckpointFile(self._paths.checkpoint, self._disk)
        self._checkpoints.begin(self.checkpoint, self.persisted)

    def _sync_found_inputs(self) -> None:
        """Sync input that the process before has kept, and perhaps not synced.

        Later syncs are of input that this process writes. One by one, so that a session with many
        streams needs no descriptor for each. Raises ``OSError`` and `SyncFailedError`.
        """
        for path in self._paths.state.glob("input.*"):
            descriptor = os.open(path, os.O_RDWR)
            try:
                self._disk.sync(descriptor)
            except OSError as error:
                raise self._failed_for_good(error) from error
            finally:
                os.close(descriptor)

    @property
    def unpersisted(self) -> Unpersisted:
        return self._watermark.level(self.checkpoint, self.persisted)

    def watch(self, lost: Callable[[FencedError | SyncFailedError], None]) -> None:
        self._lost = lost

    def append(self, pcm: Buffer, checkpoint: Checkpoint) -> None:
        if self.state is not _OPEN or self._checkpoints is None:
            raise self._not_open()
        try:
            if pcm:
                files.write_at(self._audio, pcm, wav.HEADER_BYTES + self.checkpoint.pcm_bytes)
            self._checkpoints.write(checkpoint)
        except OSError as error:
            raise StorageUnavailableError(str(error)) from error
        self.checkpoint = checkpoint
        if self._watermark.since is None:  # seldom: once after each sync
            self._watermark.recorded()
        self._on_changed(self)

    def write_ahead(self, pcm: Buffer) -> None:
        if self.state is not RecordingState.OPEN:
            raise self._not_open()
        with files.translated_errors():
            files.write_at(self._audio, pcm, wav.HEADER_BYTES + self.checkpoint.pcm_bytes)

    def keep_input(self, stream: int, offset: int, data: Buffer) -> None:
        if self.state is not RecordingState.OPEN:
            raise self._not_open()
        with files.translated_errors():
            if stream == TIMELINE:
                self._append_timeline(offset, data)
                return
            fd = self._inputs.get(stream)
            if fd is None:
                fd = os.open(self._paths.input(stream), os.O_RDWR | os.O_CREAT, 0o666)
                self._inputs[stream] = fd
                self._has_new_input = True
            files.write_at(fd, data, offset)
            self._unsynced.add(stream)

    def _append_timeline(self, offset: int, data: Buffer) -> None:
        """Write without a descriptor that stays: each session has one, and it grows seldom."""
        fd = os.open(self._paths.input(TIMELINE), os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            files.write_at(fd, data, offset)
        finally:
            os.close(fd)
        self._has_new_input |= not offset
        self._unsynced.add(TIMELINE)

    async def read_input(self, stream: int) -> AsyncIterator[bytes]:
        remaining = self.checkpoint.kept_bytes[stream]
        if not remaining:
            return
        path = self._paths.input(stream)
        if not path.is_file():
            raise BadObjectError(f"{path} is missing")
        with files.translated_errors(), path.open("rb") as file:
            while remaining:
                block = await threads.recording.run(file.read, min(remaining, _INPUT_BLOCK_BYTES))
                if not block:
                    raise BadObjectError(f"{path} is shorter than its checkpoint says")
                remaining -= len(block)
                yield block

    def drop_input(self, stream: int) -> None:
        self._dropped.append(stream)

    async def flush(self) -> None:
        try:
            await threads.recording.run(self._flush)
        except SyncFailedError:
            self.report_failure()
            raise

    def report_failure(self) -> None:
        """Tell the session, once, that a sync has failed. Call it on the event loop."""
        lost, self._lost = self._lost, lambda _: None
        lost(SyncFailedError(self.persisted.chunk_count))

    async def complete(self, at: datetime) -> Manifest:
        self.state = self.state.sealed()
        manifest = await threads.recording.run(self._complete, at)
        self._on_released(self)
        return manifest

    async def change(self, changes: DetailChanges) -> None:
        await threads.recording.run(self._change, changes)

    async def require_release(self) -> None:
        await threads.recording.run(self._change, DetailChanges(), requires_release=True)

    async def release(self) -> None:
        self.state = self.state.sealed()
        try:
            if self.state is not RecordingState.FAILED:
                await self.flush()
        finally:
            await threads.recording.run(self.close)
            self._on_released(self)

    async def audio(self) -> VolumeAudio:
        return await threads.reading.run(
            open_audio,
            self._paths,
            self.manifest.pcm_format,
            self.checkpoint.pcm_bytes,
            PartialWaveform(self._paths, self.peaks),
        )

    def abandon(self) -> None:
        self.close()
        self._on_released(self)

    @property
    def has_unmeasured_audio(self) -> bool:
        """Return whether the waveform is more than one sync behind the audio."""
        return self.peaks is not None and self.peaks.is_due(self.persisted.pcm_bytes)

    def persist(self) -> None:
        """Make everything appended so far durable. Blocks.

        Raises `StorageUnavailableError`, and `SyncFailedError` from the first failed sync on.
        """
        with files.translated_errors(), self._persisting:
            if not self.state.is_final:
                run_alone(self._sync_steps())

    def sync_steps(self) -> Steps:
        """Do the same as one of many recordings: see `storage.volume.sync_pass`.

        The sizes in the header follow when the waveform does, because each sync of them costs a
        page. If another thread persists the recording, it takes part in the next pass instead.
        """
        if not self._persisting.acquire(blocking=False):
            self._on_changed(self)
            return
        try:
            if not self.state.is_final:
                if self._is_measuring_due():
                    self._write_header(self.checkpoint)
                yield from self._sync_steps()
        except OSError as error:
            raise StorageUnavailableError(str(error)) from error
        finally:
            self._persisting.release()

    def measure(self) -> None:
        """Measure and digest new audio if it is enough. Blocks.

        Log a failure: the waveform and the digests can be made later.
        """
        self._digest()
        if self.peaks is None or not self._is_measuring_due():
            return
        try:
            self.peaks.measure_next(self._paths.audio, self.checkpoint.pcm_bytes)
        except OSError as error:
            logger.warning("%s: no waveform for now: error=%s", self.manifest.session_id, error)

    def _digest(self) -> None:
        if self._digests is None or self.state.is_final or not self._digests.is_due(self.persisted):
            return
        try:
            self._digests.advance(self.persisted)
        except OSError as error:
            if not self.state.is_final:  # then the files are gone
                logger.warning("%s: no digests for now: error=%s", self.manifest.session_id, error)

    def _is_measuring_due(self) -> bool:
        return self.peaks is not None and self.peaks.is_due(self.checkpoint.pcm_bytes)

    def _flush(self) -> None:
        with files.translated_errors(), self._persisting:
            if not self.state.is_final:
                self._check_not_failed()
                self._write_header(self.checkpoint)
                run_alone(self._sync_steps())
        self.measure()

    def _sync_steps(self) -> Steps:
        """Sync audio and input, write the persisted record, sync it; then move `persisted`."""
        self._check_not_failed()
        assert self._checkpoints is not None
        dropped = self._dropped.copy()  # before the checkpoint, which then names none of them
        checkpoint, asked_at = self.checkpoint, time.monotonic()
        # One by one, because the event loop may add an input meanwhile.
        written = [self._unsynced.pop() for _ in range(len(self._unsynced))]
        try:
            opened = self._open_unsynced(written)
        except OSError:  # for want of descriptors; no sync has failed
            self._unsynced.update(written)
            raise
        inputs = [self._inputs[stream] for stream in written if stream in self._inputs]
        try:
            yield [*opened, *((self._disk.sync, fd) for fd in (*inputs, self._audio))]
        except OSError as error:
            raise self._failed_for_good(error) from error
        except GeneratorExit:  # the pass has failed
            self._unsynced.update(written)
            raise
        finally:
            for _, fd in opened:
                os.close(fd)
        # The persisted record must not reach the disk before the audio that it counts.
        self._checkpoints.persist(checkpoint)
        try:
            yield [self._checkpoints.sync_call]
        except OSError as error:
            raise self._failed_for_good(error) from error
        self.persisted = checkpoint
        self._watermark.persisted(until=asked_at, is_all=checkpoint == self.checkpoint)
        for stream in dropped:
            self._dropped.remove(stream)
            if stream in self._inputs:
                os.close(self._inputs.pop(stream))

    def _open_unsynced(self, written: list[int]) -> list[SyncCall]:
        """Return the calls for what is to be synced and has no descriptor; the caller closes them.

        These are the folder, for the names of new input, and the timeline. Raises ``OSError``.
        """
        opened: list[SyncCall] = []
        try:
            if self._has_new_input:
                folder = os.open(self._paths.state, os.O_RDONLY | os.O_DIRECTORY)
                opened.append((self._disk.sync_folder, folder))
            if TIMELINE in written:
                entries = os.open(self._paths.input(TIMELINE), os.O_RDWR)
                opened.append((self._disk.sync, entries))
        except OSError:
            for _, fd in opened:
                os.close(fd)
            raise
        self._has_new_input = False
        return opened

    def _write_header(self, checkpoint: Checkpoint) -> None:
        files.write_at(self._audio, wav.header(self.manifest.pcm_format, checkpoint.pcm_bytes), 0)

    def _failed_for_good(self, error: OSError) -> SyncFailedError:
        """Become FAILED because of a sync; return the error to raise.

        What was written after the persisted checkpoint does not count any more, also when the
        files are read again.
        """
        self._observer.failed("sync")
        logger.error("%s: a sync failed: error=%s", self.manifest.session_id, error)
        self.state = self.state.to(RecordingState.FAILED)
        if self._checkpoints is not None:
            with contextlib.suppress(OSError):  # then the disk takes nothing more
                self._checkpoints.revert(self.checkpoint, self.persisted)
        return SyncFailedError(self.persisted.chunk_count)

    def _check_not_failed(self) -> None:
        if self.state is RecordingState.FAILED or self._checkpoints is None:
            raise self._not_open()

    def _not_open(self) -> StorageError:
        if self.state is RecordingState.FAILED:
            return SyncFailedError(self.persisted.chunk_count)
        return StorageUnavailableError(f"the recording is {self.state.value}")

    def _change(self, changes: DetailChanges, *, requires_release: bool = False) -> None:
        with files.translated_errors(), self._persisting:
            if self.state is not RecordingState.OPEN:
                raise self._not_open()
            manifest = self.manifest.with_details(changes.apply_to(self.manifest.details))
            if requires_release:
                manifest = manifest.of_this_release()
            files.replace(self._paths.manifest, manifests.encode(manifest))
            self.manifest = manifest

    def _complete(self, at: datetime) -> Manifest:
        with files.translated_errors(), self._persisting:
            manifest = self.manifest.completed(self.checkpoint, at)
            if self.state is RecordingState.COMPLETED:
                # An earlier call failed to close the files, and that is all it failed to do.
                return self._completed or manifest
            if self.state is RecordingState.CLOSED:
                raise self._not_open()
            self._check_not_failed()
            os.ftruncate(self._audio, manifest.size_bytes)
            self._write_header(self.checkpoint)
            run_alone(self._sync_steps())
            manifest = self._completed = self._with_receipt(manifest)
            files.replace(self._paths.manifest, manifests.encode(manifest))
            self._on_completed(manifest)
            self._finish_waveform(manifest.pcm_bytes)
            shutil.rmtree(self._paths.state, ignore_errors=True)
            self._close_files(RecordingState.COMPLETED)
            return manifest

    def _with_receipt(self, manifest: Manifest) -> Manifest:
        """Return the manifest with its receipt; keep the digests of the blocks."""
        if self._digests is None or self._receipts is None:
            return manifest
        digests = self._digests.finish(self.persisted)
        self._digests.keep_blocks()
        return self._receipts.with_receipt(manifest, digests, self._keep_timeline())

    def _keep_timeline(self) -> str:
        """Put the timeline beside the audio; return its digest. Raises ``OSError``."""
        entries = timeline_entries(self._paths, self.checkpoint)
        found = timeline.timeline_of(self.manifest, self.checkpoint, entries, is_final=True)
        data = timeline.encode(found)
        files.replace(self._paths.timeline, data)
        return timeline.digest(data)

    def _finish_waveform(self, pcm_bytes: int) -> None:
        """Put the waveform beside the audio, unless much audio is unmeasured after a restart.

        It is then measured at the first request, so that completion takes the same time for
        any length.
        """
        if self.peaks is None or self.peaks.is_stopped:
            return
        try:
            self.peaks.measure_at_completion(self._paths.audio, pcm_bytes)
            if self.peaks.pcm_bytes == pcm_bytes:
                self.peaks.finish(self._paths.peaks)
        except OSError as error:
            logger.warning("%s: no waveform for now: error=%s", self.manifest.session_id, error)
        self.peaks.stop()

    def close(self) -> None:
        """Close the files as they are."""
        with self._persisting:
            self._close_files(RecordingState.CLOSED)

    def _close_files(self, final: RecordingState) -> None:
        if self.state.is_final:
            return
        self.state = self.state.to(final)
        if self.peaks is not None:
            self.peaks.stop()
        for fd in (self._audio, *self._inputs.values()):
            if fd >= 0:
                os.close(fd)
        if self._checkpoints is not None:
            self._checkpoints.close()
        self._audio, self._checkpoints = -1, None  # the kernel reuses descriptor numbers
        self._inputs.clear()


def timeline_entries(paths: SessionPaths, checkpoint: Checkpoint) -> bytes:
    """Return the entries of the timeline that ``checkpoint`` counts; fewer if some are missing."""
    if not checkpoint.timeline_bytes:
        return b""
    try:
        with paths.input(TIMELINE).open("rb") as file:
            return file.read(checkpoint.timeline_bytes)
    except OSError:
        return b""
