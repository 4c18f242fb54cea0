"""The digests and the waveform of what is persisted of one recording.

The audio is read from the spool, or from the segments if the spool does not hold it: an earlier
owner has persisted it.
"""

import asyncio
import logging

from storage import threads
from storage.checkpoint import Checkpoint
from storage.digests import SessionDigests
from storage.errors import StorageUnavailableError
from storage.s3.client.bucket import Bucket
from storage.s3.writing.digest import Digest
from storage.s3.writing.segment_log import SegmentLog
from storage.s3.writing.spool import Spool
from storage.waveform.pixels import Pixels

logger = logging.getLogger(__name__)


class PersistedDigest:
    """Follows the persisted checkpoint. One caller at a time, but for :meth:`pixels`.

    All that reads or writes raises `StorageUnavailableError`, and can be called again.
    """

    def __init__(
        self,
        bucket: Bucket,
        segments: SegmentLog,
        spool: Spool,
        *,
        step_bytes: int,
        keep_bytes: int,
    ) -> None:
        """``step_bytes``: most that is read from segments in one call.

        ``keep_bytes``: of how much new audio the digests are put.
        """
        self._bucket = bucket
        self._segments = segments
        self._spool = spool
        self._step_bytes = step_bytes
        self._keep_bytes = keep_bytes
        self._digest = Digest(spool.peaks, spool.read_input)
        self._is_restored = not segments.pcm_bytes

    @property
    def pcm_bytes(self) -> int:
        return self._digest.pcm_bytes

    async def pixels(self) -> Pixels:
        """Return the whole pixels of the waveform."""
        return await self._digest.pixels()

    async def advance_if_due(self, persisted: Checkpoint, *, is_freed_next: bool) -> None:
        """Read what is persisted if it is enough, or before the spool frees it.

        Log a failure: the waveform and the digests can be made later.
        """
        if is_freed_next or self._spool.peaks.is_due(persisted.pcm_bytes):
            try:
                await self.advance(persisted)
            except StorageUnavailableError as error:
                session_id = self._segments.keys.session_id
                logger.warning("%s: no digests for now: error=%s", session_id, error)

    async def advance(self, persisted: Checkpoint) -> None:
        """Read the next piece of what is persisted: first for the receipt."""
        await self._restore(persisted.pcm_bytes)
        await self._read(self._digest.session.pcm.size_bytes, persisted)
        await self._read(self._digest.pcm_bytes, persisted)

    async def keep_if_due(self) -> None:
        """Put what is new of the digests if it is enough, for the next owner."""
        if self._digest.unkept_bytes >= self._keep_bytes:
            await self._digest.keep(self._bucket, self._segments.keys)

    async def complete(self, pcm_bytes: int) -> str | None:
        """Put the waveform and return the SHA-256 if all audio was read; else return None."""
        if self._digest.pcm_bytes != pcm_bytes:
            return None
        await self._digest.put_waveform(self._bucket, self._segments.keys)
        return self._digest.sha256

    async def session_digests(self, last: Checkpoint) -> SessionDigests:
        """Read the rest of the audio; put the digests of its blocks, and return all digests."""
        found = self._digest.session
        while found.pcm.size_bytes < last.pcm_bytes:
            await self._read(found.pcm.size_bytes, last)
        await threads.recording.run(self._digest.add, found.pcm.size_bytes, b"", last)
        await self._bucket.put(self._segments.keys.blocks, found.pcm.blocks)
        return found

    async def _restore(self, pcm_bytes: int) -> None:
        """Read the digests that an earlier owner has put, once."""
        if self._is_restored:
            return
        loop = asyncio.get_running_loop()

        async def read(start: int, stop: int) -> bytes:
            return b"".join([block async for block in self._segments.read(start, stop)])

        def read_pcm(start: int, stop: int) -> bytes:
            return asyncio.run_coroutine_threadsafe(read(start, stop), loop).result()

        await self._digest.restore(self._bucket, self._segments.keys, read_pcm, pcm_bytes)
        self._is_restored = True

    async def _read(self, start: int, persisted: Checkpoint) -> None:
        """Read all from the spool, or a step from the segments."""
        if start >= persisted.pcm_bytes:
            return
        if self._spool.holds(start, persisted.pcm_bytes):
            add, read = self._digest.add_stored, self._spool.read
            await threads.recording.run(add, read, start, persisted)
            return
        stop = min(persisted.pcm_bytes, start + self._step_bytes)
        async for block in self._segments.read(start, stop):
            await threads.recording.run(self._digest.add, start, block, persisted)
            start += len(block)
