"""SHA-256 and waveform of the audio, made while it is uploaded."""

import hashlib
import threading

from storage import files, threads
from storage.s3.client.bucket import Bucket
from storage.s3.keys import SessionKeys
from storage.waveform import peaks
from storage.waveform.growing_file import GrowingWaveform
from storage.waveform.pixels import Pixels


class Digest:
    """SHA-256 and waveform of the first ``pcm_bytes`` of a recording, added in any pieces."""

    def __init__(self, waveform: GrowingWaveform) -> None:
        self.pcm_bytes = 0
        self._hash = hashlib.sha256()
        self._waveform = waveform
        self._lock = threading.Lock()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def add(self, start: int, pcm: bytes) -> None:
        """Add the PCM that begins at byte ``start``. Ignore it unless it is the next to add.

        Blocks. Thread-safe: a call whose task was cancelled may still run beside the next one.
        Raises `StorageUnavailableError` if the node's disk is full: nothing was added then, and
        the call can be repeated.
        """
        with self._lock:
            if start != self.pcm_bytes:
                return
            with files.translated_errors():
                self._waveform.add(pcm)
            self._hash.update(pcm)
            self.pcm_bytes += len(pcm)

    async def pixels(self) -> Pixels:
        """Return the whole pixels of the waveform."""
        with files.translated_errors():
            return await threads.recording.run(self._waveform.pixels)

    async def put_waveform(self, bucket: Bucket, session: SessionKeys) -> None:
        """Put the waveform. All the audio must have been added."""
        with files.translated_errors():
            found = await threads.recording.run(self._waveform.to_peaks)
        # Not if this is done again after the spool was discarded: then it is put already.
        if found.length == peaks.length(found.pcm_format, self.pcm_bytes):
            await put_waveform(bucket, session, found.encode())


async def put_waveform(bucket: Bucket, session: SessionKeys, data: bytes) -> None:
    """Put the waveform of finished audio. It is the same whichever node has measured it."""
    await bucket.put(session.peaks, data, "application/octet-stream")
