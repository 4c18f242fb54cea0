"""One growing WAV on a volume, with its checkpoint beside it."""

import logging
import os
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime

from storage import files, threads, wav
from storage import manifest as manifests
from storage.checkpoint import Checkpoint, decode_record, encode_record
from storage.errors import StorageUnavailableError
from storage.manifest import Manifest
from storage.pcm import Buffer
from storage.recording_state import RecordingState
from storage.volume.audio import PartialWaveform, VolumeAudio, open_audio
from storage.volume.paths import SessionPaths
from storage.watermark import Unpersisted, Watermark
from storage.waveform.growing_file import GrowingWaveform

logger = logging.getLogger(__name__)

# The checkpoint file is one page: the last one written, then the last one persisted.
_SLOT_BYTES = 2048
_WRITTEN_AT = 0
_PERSISTED_AT = _SLOT_BYTES

_INPUT_BLOCK_BYTES = 256 * 1024
_MAX_CLOSING_MEASURE_BYTES = 32 * 1024 * 1024  # most of audio that is measured while completing


class VolumeRecording:
    """See `storage.base.Recording`.

    `append` and `keep_input` write in the caller's thread: a ``pwrite`` into the page
    cache costs less than handing it to another thread would. Only the event loop's
    thread moves the checkpoint; any thread may persist it.
    """

    def __init__(
        self,
        paths: SessionPaths,
        manifest: Manifest,
        *,
        on_changed: Callable[["VolumeRecording"], None],
        on_released: Callable[["VolumeRecording"], None],
        peaks: GrowingWaveform | None = None,
    ) -> None:
        self.manifest = manifest
        self.peaks = peaks
        self.checkpoint = Checkpoint()
        self.persisted = Checkpoint()
        self._paths = paths
        self._on_changed = on_changed
        self._on_released = on_released
        self._watermark = Watermark()
        self._persisting = threading.Lock()
        self._inputs: dict[int, int] = {}
        self._dropped: list[int] = []
        self._audio = os.open(paths.audio, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            self._state_file = os.open(paths.checkpoint, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            os.close(self._audio)
            raise
        self.state = RecordingState.OPEN

    def begin(self) -> None:
        """Write the empty WAV and the first checkpoint."""
        files.write_at(self._state_file, bytes(2 * _SLOT_BYTES), 0)
        files.write_at(self._state_file, encode_record(self.checkpoint), _WRITTEN_AT)
        self._persist()

    def recover(self) -> None:
        """Return to the last whole checkpoint and truncate the audio behind it."""
        self.checkpoint, self.persisted = read_checkpoint(self._paths, self.manifest)
        os.ftruncate(self._audio, wav.HEADER_BYTES + self.checkpoint.pcm_bytes)
        files.write_at(self._state_file, encode_record(self.checkpoint), _WRITTEN_AT)
        if self.peaks is not None:
            self.peaks.resume(self.checkpoint.pcm_bytes)
        self._on_changed(self)

    @property
    def unpersisted(self) -> Unpersisted:
        return self._watermark.level(self.checkpoint, self.persisted)

    def watch(self, fenced: Callable[[], None]) -> None:
        """Do nothing: one folder has one process, so no other writer can take over."""

    def append(self, pcm: Buffer, checkpoint: Checkpoint) -> None:
        if self.state is not RecordingState.OPEN:
            raise StorageUnavailableError(f"the recording is {self.state.value}")
        record = encode_record(checkpoint)
        if len(record) > _SLOT_BYTES:
            raise StorageUnavailableError(f"a checkpoint of {len(record)} bytes")
        try:
            if pcm:
                files.write_at(self._audio, pcm, wav.HEADER_BYTES + self.checkpoint.pcm_bytes)
            os.pwrite(self._state_file, record, _WRITTEN_AT)
        except OSError as error:
            raise StorageUnavailableError(str(error)) from error
        self.checkpoint = checkpoint
        self._watermark.recorded()
        self._on_changed(self)

    def write_ahead(self, pcm: Buffer) -> None:
        if self.state is not RecordingState.OPEN:
            raise StorageUnavailableError(f"the recording is {self.state.value}")
        with files.translated_errors():
            files.write_at(self._audio, pcm, wav.HEADER_BYTES + self.checkpoint.pcm_bytes)

    def keep_input(self, stream: int, offset: int, data: Buffer) -> None:
        if self.state is not RecordingState.OPEN:
            raise StorageUnavailableError(f"the recording is {self.state.value}")
        with files.translated_errors():
            fd = self._inputs.get(stream)
            if fd is None:
                fd = os.open(self._paths.input(stream), os.O_RDWR | os.O_CREAT, 0o666)
                self._inputs[stream] = fd
            files.write_at(fd, data, offset)

    async def read_input(self, stream: int) -> AsyncIterator[bytes]:
        remaining = next(s.kept_bytes for s in self.checkpoint.streams if s.number == stream)
        if not remaining:
            return
        with files.translated_errors(), self._paths.input(stream).open("rb") as file:
            while remaining:
                block = await threads.recording.run(file.read, min(remaining, _INPUT_BLOCK_BYTES))
                if not block:
                    raise StorageUnavailableError(
                        f"{file.name} is shorter than its checkpoint says"
                    )
                remaining -= len(block)
                yield block

    def drop_input(self, stream: int) -> None:
        self._dropped.append(stream)

    async def flush(self) -> None:
        await threads.recording.run(self.persist)

    async def complete(self, at: datetime) -> Manifest:
        self.state = self.state.sealed()
        manifest = self.manifest.completed(self.checkpoint, at)
        await threads.recording.run(self._complete, manifest)
        self._on_released(self)
        return manifest

    async def release(self) -> None:
        self.state = self.state.sealed()
        try:
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
        peaks = self.peaks
        return (
            peaks is not None
            and not peaks.is_stopped
            and peaks.pcm_bytes < self.persisted.pcm_bytes
        )

    def persist(self) -> None:
        """Make everything appended so far durable. Blocks; raises `StorageUnavailableError`."""
        with files.translated_errors(), self._persisting:
            if not self.state.is_final:
                self._persist()
                self._measure()

    def _measure(self) -> None:
        """Measure new audio. Log a failure: the waveform can be made later."""
        if self.peaks is None:
            return
        try:
            self.peaks.measure_next(self._paths.audio, self.checkpoint.pcm_bytes)
        except OSError as error:
            logger.warning("%s: no waveform for now: %s", self.manifest.session_id, error)

    def _persist(self) -> None:
        dropped = self._dropped.copy()  # before the checkpoint, which then names none of them
        checkpoint, asked_at = self.checkpoint, time.monotonic()
        files.write_at(self._audio, wav.header(self.manifest.pcm_format, checkpoint.pcm_bytes), 0)
        for fd in list(self._inputs.values()):
            os.fdatasync(fd)
        os.fdatasync(self._audio)
        # The persisted record must not reach the disk before the audio that it counts.
        files.write_at(self._state_file, encode_record(checkpoint), _PERSISTED_AT)
        os.fdatasync(self._state_file)
        self.persisted = checkpoint
        self._watermark.persisted(until=asked_at, is_all=checkpoint == self.checkpoint)
        for stream in dropped:
            self._dropped.remove(stream)
            if stream in self._inputs:
                os.close(self._inputs.pop(stream))
            self._paths.input(stream).unlink(missing_ok=True)

    def _complete(self, manifest: Manifest) -> None:
        with files.translated_errors(), self._persisting:
            if self.state is RecordingState.COMPLETED:
                return  # an earlier call failed to close the files, and that is all it failed to do
            if self.state is RecordingState.CLOSED:
                raise StorageUnavailableError(f"the recording is {self.state.value}")
            os.ftruncate(self._audio, manifest.size_bytes)
            self._persist()
            files.replace(self._paths.manifest, manifests.encode(manifest))
            self._finish_waveform(manifest.pcm_bytes)
            shutil.rmtree(self._paths.state, ignore_errors=True)
            self._close_files(RecordingState.COMPLETED)

    def _finish_waveform(self, pcm_bytes: int) -> None:
        """Put the waveform beside the audio, unless much audio is unmeasured after a restart.

        It is then measured at the first request, so that completion takes the same time for
        any length.
        """
        if self.peaks is None or self.peaks.is_stopped:
            return
        try:
            self.peaks.measure_next(self._paths.audio, pcm_bytes, _MAX_CLOSING_MEASURE_BYTES)
            if self.peaks.pcm_bytes == pcm_bytes:
                self.peaks.finish(self._paths.peaks)
        except OSError as error:
            logger.warning("%s: no waveform for now: %s", self.manifest.session_id, error)
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
        for fd in (self._audio, self._state_file, *self._inputs.values()):
            os.close(fd)
        self._audio = self._state_file = -1  # the kernel reuses descriptor numbers
        self._inputs.clear()


def read_checkpoint(paths: SessionPaths, manifest: Manifest) -> tuple[Checkpoint, Checkpoint]:
    """Return the last written checkpoint that the files confirm, and the last persisted one.

    After a power cut the last written checkpoint may count bytes that never reached the disk;
    the persisted one is then returned in its place. Raises ``OSError``.
    """
    slots = paths.checkpoint.read_bytes()
    written = decode_record(slots[_WRITTEN_AT:_PERSISTED_AT])
    persisted = decode_record(slots[_PERSISTED_AT:])
    if persisted is None:
        # The state folder was removed, or only the audio was restored: keep all audio.
        logger.error("%s: no checkpoint, going by the length of the audio", manifest.session_id)
        audio_bytes = max(0, paths.audio.stat().st_size - wav.HEADER_BYTES)
        persisted = Checkpoint(manifest.chunk_count, manifest.pcm_format.whole_frames(audio_bytes))
    if written is None or not _is_backed_by_files(written, paths):
        logger.warning("%s: back to the last persisted checkpoint", manifest.session_id)
        written = persisted
    return written, persisted


def _is_backed_by_files(checkpoint: Checkpoint, paths: SessionPaths) -> bool:
    kept = {paths.input(stream.number): stream.kept_bytes for stream in checkpoint.streams}
    needed = {paths.audio: wav.HEADER_BYTES + checkpoint.pcm_bytes, **kept}
    return all(
        not size_bytes or (path.exists() and path.stat().st_size >= size_bytes)
        for path, size_bytes in needed.items()
    )
