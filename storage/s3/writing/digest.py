"""Digests and waveform of the audio, made while it is uploaded."""

import asyncio
import functools
import hashlib
import threading

from storage import files, threads
from storage.checkpoint import Checkpoint
from storage.digest_log import DigestLog
from storage.digests import ReadKept, ReadPcm, SessionDigests
from storage.s3.client.bucket import Bucket
from storage.s3.keys import SessionKeys, digest_offset
from storage.waveform import peaks
from storage.waveform.growing_file import GrowingWaveform
from storage.waveform.pixels import Pixels

_READ_AT_ONCE = 16  # objects
_BLOCK_BYTES = 512 * 1024


class Digest:
    """SHA-256 and waveform of the first ``pcm_bytes`` of a recording, added in any pieces.

    The digests for the receipt may be ahead of both, because they are kept in the bucket.
    """

    def __init__(self, waveform: GrowingWaveform, read_kept: ReadKept) -> None:
        self.pcm_bytes = 0
        self.session = SessionDigests(read_kept)
        self._read_kept = read_kept
        self._log = DigestLog()
        self._kept_at = 0  # bytes of PCM
        self._hash = hashlib.sha256()
        self._waveform = waveform
        self._lock = threading.Lock()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def add(self, start: int, pcm: bytes, persisted: Checkpoint) -> None:
        """Add the PCM that begins at byte ``start``. Ignore it unless it is the next to add.

        ``persisted`` counts it.

        Blocks. Thread-safe: a call whose task was cancelled may still run beside the next one.
        Raises `StorageUnavailableError` if the node's disk is full: nothing was added then, and
        the call can be repeated.
        """
        with self._lock:
            if start == self.session.pcm.size_bytes:
                self.session.follow(persisted)
                self.session.add(pcm)
                if self.session.pcm.size_bytes == persisted.pcm_bytes:
                    self.session.settle(persisted)
            if start != self.pcm_bytes:
                return
            with files.translated_errors():
                self._waveform.add(pcm)
            self._hash.update(pcm)
            self.pcm_bytes += len(pcm)

    def add_stored(self, read_pcm: ReadPcm, start: int, persisted: Checkpoint) -> None:
        """Add the PCM from byte ``start`` on, as `add` does. Raise what ``read_pcm`` raises."""
        while start < persisted.pcm_bytes:
            stop = min(persisted.pcm_bytes, start + _BLOCK_BYTES)
            self.add(start, read_pcm(start, stop), persisted)
            start = stop

    async def keep(self, bucket: Bucket, keys: SessionKeys) -> None:
        """Put what is new of the digests, so that the next owner need not read all audio."""
        pcm_bytes, data = await threads.recording.run(self._next_record)
        if data:
            await bucket.put(keys.digest(pcm_bytes), data)
            with self._lock:
                self._log.wrote(data)
        self._kept_at = pcm_bytes

    @property
    def unkept_bytes(self) -> int:
        """Return how much audio the digests that are put lack."""
        return self.session.pcm.size_bytes - self._kept_at

    def _next_record(self) -> tuple[int, bytes]:
        """Return the record of what is new, if there is one, and the length of its audio."""
        with self._lock:
            is_due = self._log.is_due(self.session)
            data = self._log.next_record(self.session) if is_due else b""
            return self.session.pcm.size_bytes, data

    async def restore(
        self, bucket: Bucket, keys: SessionKeys, read_pcm: ReadPcm, pcm_bytes: int
    ) -> None:
        """Continue the digests that an earlier owner has put."""
        found = sorted(await bucket.keys(keys.digests))
        stored = [key for key in found if digest_offset(key) is not None]
        data = bytearray()
        for first in range(0, len(stored), _READ_AT_ONCE):  # a long recording has thousands
            some = stored[first : first + _READ_AT_ONCE]
            data += b"".join(await asyncio.gather(*map(bucket.get, some)))
        with self._lock:
            self.session = await threads.recording.run(
                functools.partial(
                    self._log.restore, bytes(data), self._read_kept, read_pcm, pcm_bytes=pcm_bytes
                )
            )
        self._kept_at = self.session.pcm.size_bytes

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
