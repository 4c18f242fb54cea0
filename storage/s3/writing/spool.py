"""What a node holds of a session until the bucket has it: a recording on a volume, with a hole.

The spool is a `storage.volume` recording, so a chunk is as safe in it as on a volume. Audio that
the bucket holds twice, in a segment and in a part of the final file, is freed.
"""

import collections
import contextlib
import ctypes
import errno
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import msgspec

from storage import files, record, wav
from storage.checkpoint import Checkpoint, decode_records, encode_record
from storage.errors import BadObjectError, StorageError, decoding
from storage.manifest import Manifest
from storage.pcm import Buffer
from storage.volume.disk import Disk, boot_id
from storage.volume.paths import SessionPaths, session_of_state, stream_of_input
from storage.volume.recording import VolumeRecording
from storage.waveform.growing_file import GrowingWaveform

logger = logging.getLogger(__name__)

T = TypeVar("T")

# fallocate(2): give the blocks back, keep the length.
_PUNCH_HOLE = 0x02 | 0x01
_FEW_MARKS = 2  # of a spool that is not behind
_libc = ctypes.CDLL(None, use_errno=True)


class Spool:
    """One session's spool. Marks are the checkpoints at which segments end.

    Beside the recording's files are ``hole``, ``epochs`` and ``marks``, each replaced whole.
    """

    def __init__(
        self, paths: SessionPaths, manifest: Manifest, mark_bytes: int, disk: Disk | None = None
    ) -> None:
        self._paths = paths
        self._disk = disk or Disk()
        self._mark_bytes = mark_bytes
        self._marks: collections.deque[Checkpoint] = collections.deque()
        self._last_mark_bytes = 0
        self._hole = (0, 0)  # PCM that is not here, from byte to byte
        self._epochs: list[int] = []
        self._saved_mark: Checkpoint | None = None  # the last one in the file
        self._recording = VolumeRecording(
            paths, manifest, on_changed=_ignore, on_released=_ignore, disk=self._disk
        )
        # The uploading task adds the PCM: the spool may have freed it already.
        self.peaks = GrowingWaveform(paths.growing_peaks(boot_id()), manifest.pcm_format)

    @classmethod
    def create(
        cls,
        paths: SessionPaths,
        manifest: Manifest,
        mark_bytes: int,
        *,
        epoch: int,
        disk: Disk | None = None,
    ) -> "Spool":
        """Create an empty spool in place of an existing one. All methods but `append` block."""
        remove(paths)
        with files.translated_errors():
            paths.state.mkdir(parents=True)
            spool = cls(paths, manifest, mark_bytes, disk)
            try:
                spool._recording.begin()
                spool._set_hole((0, 0))
                spool.note_epoch(epoch)
            except (OSError, StorageError):
                spool.close()
                spool._hole_path.unlink(missing_ok=True)
                spool._epochs_path.unlink(missing_ok=True)
                paths.remove_created()
                raise
        return spool

    @classmethod
    def recover(
        cls, paths: SessionPaths, manifest: Manifest, mark_bytes: int, disk: Disk | None = None
    ) -> "Spool | None":
        """Open the spool that a process of this node left.

        None if there is none that is whole: what the bucket has counts then.
        """
        if not paths.checkpoint.exists():
            return None
        spool = cls(paths, manifest, mark_bytes, disk)
        try:
            with files.translated_errors():
                spool._recover()
        except StorageError as error:
            logger.warning("%s: the spool does not count: error=%s", manifest.session_id, error)
            with contextlib.suppress(StorageError):
                spool.close()
            return None
        return spool

    def _recover(self) -> None:
        """Read all files. Raises `StorageError` or ``OSError``."""
        self._hole = _read_record(self._hole_path, tuple[int, int])
        self._epochs = _read_record(self._epochs_path, list[int])
        if not self._recording.recover().is_whole:
            raise BadObjectError("it is not whole")
        self._read_marks()
        self.peaks.resume(0)

    @property
    def checkpoint(self) -> Checkpoint:
        return self._recording.checkpoint

    @property
    def epochs(self) -> set[int]:
        """Return the epochs in which it was written, with no other node between them."""
        return set(self._epochs)

    def note_epoch(self, epoch: int) -> None:
        """Make durable that this node has the epoch."""
        self._epochs.append(epoch)
        _write_record(self._epochs_path, self._epochs)

    def append(self, pcm: Buffer, checkpoint: Checkpoint) -> None:
        self._recording.append(pcm, checkpoint)
        if checkpoint.pcm_bytes - self._last_mark_bytes >= self._mark_bytes:
            self._last_mark_bytes = checkpoint.pcm_bytes
            self._marks.append(checkpoint)

    def write_ahead(self, pcm: Buffer) -> None:
        self._recording.write_ahead(pcm)

    def keep_input(self, stream: int, offset: int, data: Buffer) -> None:
        self._recording.keep_input(stream, offset, data)

    def drop_input(self, stream: int) -> None:
        self._recording.drop_input(stream)

    def next_segment_end(self, persisted: Checkpoint) -> Checkpoint:
        """Return the checkpoint at which the segment after ``persisted`` ends.

        It is the last checkpoint, unless the bucket is behind.
        """
        while self._marks and self._marks[0].pcm_bytes <= persisted.pcm_bytes:
            self._marks.popleft()
        is_behind = self.checkpoint.pcm_bytes - persisted.pcm_bytes > 2 * self._mark_bytes
        return self._marks[0] if is_behind and self._marks else self.checkpoint

    def holds(self, start: int, stop: int) -> bool:
        """Return whether all PCM from byte ``start`` to ``stop`` is here."""
        return min(stop, self._hole[1]) <= max(start, self._hole[0])

    def begin_restore(self, pcm_bytes: int, hole: tuple[int, int]) -> None:
        """Set the length. :meth:`write` must fill all but the ``hole``."""
        self._set_hole(hole)
        with files.translated_errors():
            os.truncate(self._paths.audio, wav.HEADER_BYTES + pcm_bytes)

    def end_restore(self, checkpoint: Checkpoint) -> None:
        """Finish the restore. A spool left before this call is an empty one."""
        self._recording.persist()
        self._recording.append(b"", checkpoint)
        self._last_mark_bytes = checkpoint.pcm_bytes

    def write(self, pcm: Buffer, start: int) -> None:
        with files.translated_errors(), self._paths.audio.open("r+b", buffering=0) as file:
            files.write_at(file.fileno(), pcm, wav.HEADER_BYTES + start)

    def write_input(self, stream: int, offset: int, data: Buffer) -> None:
        """Write kept input of a restore. Unlike `keep_input`, it leaves no descriptor open."""
        with self._input(stream) as descriptor:
            files.write_at(descriptor, data, offset)

    def sync_input(self, stream: int) -> None:
        """Make durable what :meth:`write_input` has written."""
        with self._input(stream) as descriptor:
            self._disk.sync(descriptor)

    @contextlib.contextmanager
    def _input(self, stream: int) -> Iterator[int]:
        with files.translated_errors():
            descriptor = os.open(self._paths.input(stream), os.O_RDWR | os.O_CREAT, 0o666)
            try:
                yield descriptor
            finally:
                os.close(descriptor)

    def read(self, start: int, stop: int) -> bytes:
        """Return PCM from byte ``start`` to ``stop``, all of which must be here."""
        with files.translated_errors():
            return files.read_range(self._paths.audio, wav.HEADER_BYTES + start, stop - start)

    def input_bytes(self, stream: int) -> int:
        """Return how much is kept of the stream."""
        try:
            return self._paths.input(stream).stat().st_size
        except FileNotFoundError:
            return 0

    def streams(self) -> list[int]:
        """Return the streams of which input is kept, open or not."""
        with files.translated_errors():
            names = [path.name for path in self._paths.state.iterdir()]
        found = (stream_of_input(name) for name in names)
        return sorted(number for number in found if number is not None)

    def read_input(self, stream: int, start: int, stop: int) -> bytes:
        path = self._paths.input(stream)
        if self.input_bytes(stream) < stop:
            raise BadObjectError(f"{path} is missing or shorter than its checkpoint says")
        with files.translated_errors():
            return files.read_range(path, start, stop - start)

    def free(self, start: int, stop: int) -> None:
        """Give back the disk space of PCM from byte ``start`` to ``stop``.

        The hole only grows, to the shortest range with all that was ever freed: the upload that
        holds this audio may be gone when the spool is recovered.
        """
        old_start, old_stop = self._hole
        hole = (min(start, old_start), max(stop, old_stop)) if old_stop else (start, stop)
        if hole == self._hole:
            return
        self._set_hole(hole)
        if old_start <= start < old_stop:
            start = old_stop
        with files.translated_errors(), self._paths.audio.open("r+b") as file:
            offset, length = ctypes.c_long(wav.HEADER_BYTES + start), ctypes.c_long(stop - start)
            if _libc.fallocate(file.fileno(), _PUNCH_HOLE, offset, length):
                code = ctypes.get_errno()
                if code != errno.EOPNOTSUPP:
                    raise OSError(code, os.strerror(code))

    def sync(self) -> None:
        """Make it durable and remove the input of streams that have ended.

        Raises `SyncFailedError`: what the bucket does not have must then not be read from here.
        """
        self._recording.persist()
        marks = self._marks.copy()
        if len(marks) > _FEW_MARKS and marks[-1] != self._saved_mark:
            self._save_marks(marks)

    def close(self) -> None:
        self.peaks.stop()
        self._recording.close()

    def discard(self) -> None:
        """Close and remove the spool: the bucket has all of it."""
        self.close()
        remove(self._paths)

    def _set_hole(self, hole: tuple[int, int]) -> None:
        """Note the hole before it is made, so that zeros are never taken for audio."""
        self._hole = hole
        _write_record(self._hole_path, hole)

    @property
    def _epochs_path(self) -> Path:
        return self._paths.state / "epochs"

    @property
    def _hole_path(self) -> Path:
        return self._paths.state / "hole"

    def _read_marks(self) -> None:
        """Read the marks up to the checkpoint, and forget those that a loss of power cut off."""
        path = _marks_path(self._paths)
        for mark in decode_records(path.read_bytes() if path.exists() else b""):
            if _counts(mark) > _counts(self.checkpoint) or mark.pcm_bytes < self._last_mark_bytes:
                self._save_marks(self._marks)
                break
            self._marks.append(mark)
            self._last_mark_bytes = mark.pcm_bytes

    def _save_marks(self, marks: Iterable[Checkpoint]) -> None:
        saved = list(marks)
        with files.translated_errors():
            files.replace(_marks_path(self._paths), b"".join(map(encode_record, saved)))
        self._saved_mark = saved[-1] if saved else None


class SpoolFolder:
    """All spools of this node. ``segment_seconds`` of audio lie between two marks."""

    def __init__(
        self,
        path: Path,
        segment_seconds: float,
        disk: Disk | None = None,
        folders: Callable[[], list[Path]] | None = None,
    ) -> None:
        """``folders`` returns the folder of new spools, then others; by default only ``path``."""
        self.path = path
        self._folders = folders or (lambda: [path])
        self._disk = disk or Disk()
        self._segment_seconds = segment_seconds

    def create(self, manifest: Manifest, epoch: int) -> Spool:
        """See `Spool.create`."""
        own, *others = self._paths(UUID(manifest.session_id))
        for paths in others:
            remove(paths)
        mark_bytes = self._mark_bytes(manifest)
        return Spool.create(own, manifest, mark_bytes, epoch=epoch, disk=self._disk)

    def recover(self, manifest: Manifest) -> Spool | None:
        """See `Spool.recover`. If several folders have one, the newest counts."""
        mark_bytes = self._mark_bytes(manifest)
        newest: Spool | None = None
        for paths in self._paths(UUID(manifest.session_id)):
            spool = Spool.recover(paths, manifest, mark_bytes, self._disk)
            if spool is None:
                continue
            if newest is not None and _last(newest.epochs) >= _last(spool.epochs):
                spool.close()
                continue
            if newest is not None:
                newest.close()
            newest = spool
        return newest

    def sessions(self, folders: Iterable[Path] | None = None) -> set[UUID]:
        """Return the sessions that have a spool here, or in those of the ``folders``."""
        folders = self._folders() if folders is None else folders
        with files.translated_errors():
            names = [entry.name for folder in folders for entry in os.scandir(folder)]
        return {session_id for name in names if (session_id := session_of_state(name))}

    def remove(self, session_id: UUID) -> None:
        """Remove the spool of a session, if it is there. It must not be open."""
        for paths in self._paths(session_id):
            remove(paths)

    def _paths(self, session_id: UUID) -> list[SessionPaths]:
        return [SessionPaths(folder, session_id) for folder in self._folders()]

    def _mark_bytes(self, manifest: Manifest) -> int:
        return int(self._segment_seconds * manifest.pcm_format.bytes_per_second)


def remove(paths: SessionPaths) -> None:
    """Remove a spool that is not open, if it is there."""
    with files.translated_errors():
        files.remove(paths.audio)
        files.remove(paths.state)


def _last(epochs: set[int]) -> int:
    return max(epochs, default=0)


def _counts(checkpoint: Checkpoint) -> tuple[int, int]:
    return checkpoint.chunk_count, checkpoint.pcm_bytes


def _read_record(path: Path, kind: type[T]) -> T:
    """Return the content of a file of :func:`_write_record`. Raises `BadObjectError`."""
    with files.translated_errors():
        payload = record.decode(path.read_bytes())
    if payload is None:
        raise BadObjectError(f"{path} is damaged")
    with decoding(str(path)):
        return msgspec.msgpack.decode(payload, type=kind)


def _write_record(path: Path, content: object) -> None:
    with files.translated_errors():
        files.replace(path, record.encode(msgspec.msgpack.encode(content)))


def _marks_path(paths: SessionPaths) -> Path:
    return paths.state / "marks"


def _ignore(_: VolumeRecording) -> None:
    """Do nothing: the durability of a spool does not count, only the bucket's."""
