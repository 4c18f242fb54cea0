"""The digests of a growing recording on a volume, made of what is persisted."""

import os
import threading
from functools import partial

from storage import files, wav
from storage.block_digest import BLOCK_BYTES
from storage.checkpoint import Checkpoint
from storage.digest_log import DigestLog
from storage.digests import SessionDigests
from storage.volume.paths import SessionPaths

_STEP_BYTES = 32 * 1024 * 1024  # in one call, while the recording grows


class GrowingDigests:
    """Reads audio and kept input again, after the passes of syncs. Thread-safe; blocks."""

    def __init__(self, paths: SessionPaths) -> None:
        self._paths = paths
        self._lock = threading.Lock()
        self._log = DigestLog()
        self._digests = SessionDigests(partial(_read_kept, paths))

    def resume(self, persisted: Checkpoint) -> None:
        """Continue what a process before has begun. Raises ``OSError``."""
        path = self._paths.digests
        data = path.read_bytes() if path.is_file() else b""
        self._digests = self._log.restore(
            data,
            partial(_read_kept, self._paths),
            self._read_audio,
            pcm_bytes=persisted.pcm_bytes,
        )
        if len(data) > self._log.size_bytes:
            # Else what is damaged or does not count would hide the records that follow.
            os.truncate(path, self._log.size_bytes)

    def is_due(self, persisted: Checkpoint) -> bool:
        """Return whether a block of audio is new."""
        return persisted.pcm_bytes - self._digests.pcm.size_bytes >= BLOCK_BYTES

    def advance(self, persisted: Checkpoint) -> None:
        """Add the next step of what is persisted. Raises ``OSError``."""
        with self._lock:
            self._digests.advance(persisted, self._read_audio, _STEP_BYTES)
            if self._log.is_due(self._digests) and (new := self._log.next_record(self._digests)):
                descriptor = os.open(self._paths.digests, os.O_RDWR | os.O_CREAT, 0o666)
                try:
                    files.write_at(descriptor, new, self._log.size_bytes)
                finally:
                    os.close(descriptor)
                self._log.wrote(new)

    def finish(self, persisted: Checkpoint) -> SessionDigests:
        """Add the rest of what is persisted, and return the digests. Raises ``OSError``."""
        with self._lock:
            while self._digests.pcm.size_bytes < persisted.pcm_bytes:
                self._digests.advance(persisted, self._read_audio, _STEP_BYTES)
            self._digests.advance(persisted, self._read_audio, 0)
            return self._digests

    def keep_blocks(self) -> None:
        """Put the digests of the blocks beside the audio. Raises ``OSError``."""
        files.replace(self._paths.blocks, self._digests.pcm.blocks)

    def _read_audio(self, start: int, stop: int) -> bytes:
        return files.read_range(self._paths.audio, wav.HEADER_BYTES + start, stop - start)


def _read_kept(paths: SessionPaths, number: int, start: int, stop: int) -> bytes:
    with files.translated_errors():
        return files.read_range(paths.input(number), start, stop - start)
