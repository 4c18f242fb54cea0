"""What is taken from the audio as it passes by: its SHA-256, its waveform."""

import asyncio
import hashlib
import threading

from storage import files
from storage.s3.client.bucket import Bucket
from storage.s3.keys import SessionKeys
from storage.waveform import peaks
from storage.waveform.growing_file import PeaksFile
from storage.waveform.peaks import Peaks


class Digest:
    """Of the first ``pcm_bytes`` of a recording, from its beginning on, in any pieces."""

    def __init__(self, file: PeaksFile) -> None:
        self.pcm_bytes = 0
        self._hash = hashlib.sha256()
        self._peaks = file
        self._lock = threading.Lock()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def add(self, start: int, pcm: bytes) -> None:
        """What begins at byte ``start``; ignored unless that is where this has got to.

        Blocks. A call that nobody waits for any more may still go on, beside the next one.
        Raises `StorageUnavailableError` where the node's disk is full: then it has not been
        added, and can be again.
        """
        with self._lock:
            if start != self.pcm_bytes:
                return
            with files.translated_errors():
                self._peaks.add(pcm)
            self._hash.update(pcm)
            self.pcm_bytes += len(pcm)

    async def pixels(self) -> bytes:
        """Of the waveform, those that are whole."""
        with files.translated_errors():
            return await asyncio.to_thread(self._peaks.pixels)

    async def put_peaks(self, bucket: Bucket, session: SessionKeys) -> None:
        """The audio is all here, and finished."""
        with files.translated_errors():
            found = await asyncio.to_thread(self._peaks.finished)
        # Not where this is done again after the spool has gone: then it is there.
        if found.length == peaks.length(found.pcm_format, self.pcm_bytes):
            await put_peaks(bucket, session, found)


async def put_peaks(bucket: Bucket, session: SessionKeys, found: Peaks) -> None:
    """The waveform of finished audio, which is the same whoever has measured it."""
    await bucket.put(session.peaks, found.encode(), "application/octet-stream")
