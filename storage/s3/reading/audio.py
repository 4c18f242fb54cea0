"""Reading a recording from the bucket, finished or still growing."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import datetime

from storage import wav
from storage.errors import RecordingNotFoundError, StorageUnavailableError
from storage.pcm import PcmFormat
from storage.s3.client.bucket import Bucket
from storage.s3.keys import SessionKeys
from storage.s3.writing.digest import put_peaks
from storage.s3.writing.recording import S3Recording
from storage.s3.writing.segment_log import Segments
from storage.waveform import peaks
from storage.waveform.measuring import measure
from storage.waveform.peaks import Peaks

logger = logging.getLogger(__name__)

_BLOCK_BYTES = 1024 * 1024


class CompletedAudio:
    """See `storage.base.Audio`: the final object."""

    def __init__(
        self,
        bucket: Bucket,
        keys: SessionKeys,
        pcm_format: PcmFormat,
        size_bytes: int,
        modified_at: datetime,
        measuring: asyncio.Lock | None = None,
    ) -> None:
        self.size_bytes = size_bytes
        self.modified_at = modified_at
        self.etag = f'"{keys.session_id}-{size_bytes}"'
        self._bucket = bucket
        self._keys = keys
        self._pcm_format = pcm_format
        self._measuring = measuring or asyncio.Lock()

    async def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        while start < stop:
            until = min(start + _BLOCK_BYTES, stop)
            yield await self._bucket.get(self._keys.audio, start, until)
            start = until

    async def peaks(self) -> Peaks:
        if found := await self._kept():
            return found
        async with self._measuring:
            if found := await self._kept():
                return found
            found = await measure(self, self._pcm_format)
            await self._keep(found)
        return found

    async def _kept(self) -> Peaks | None:
        try:
            data = await self._bucket.get(self._keys.peaks)
        except RecordingNotFoundError:
            return None
        return peaks.decode_whole(data, self._pcm_format, self.size_bytes - wav.HEADER_BYTES)

    async def _keep(self, found: Peaks) -> None:
        try:
            await put_peaks(self._bucket, self._keys, found)
            await self._bucket.head(self._keys.audio)
        except RecordingNotFoundError:  # deleted meanwhile, and before the waveform
            await self._bucket.delete([self._keys.peaks])
            raise
        except StorageUnavailableError as error:
            logger.warning("the waveform of %s was not kept: %s", self._keys.session_id, error)


class GrowingAudio:
    """The same of an active session: what is persisted from its segments, the rest from its spool.

    Without ``recording`` nobody writes it in this process, and only the segments count.
    """

    def __init__(
        self,
        segments: Segments,
        pcm_format: PcmFormat,
        modified_at: datetime,
        recording: S3Recording | None = None,
    ) -> None:
        self._segments = segments
        self._recording = recording
        self._pcm_format = pcm_format
        self._persisted_bytes = segments.pcm_bytes
        pcm_bytes = segments.pcm_bytes if recording is None else recording.checkpoint.pcm_bytes
        self._header = wav.header(pcm_format, pcm_bytes)
        self.size_bytes = wav.HEADER_BYTES + pcm_bytes
        self.modified_at = modified_at
        # Audio is only ever appended: the same length is the same content.
        self.etag = f'"{segments.keys.session_id}-{self.size_bytes}"'

    async def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        if head := self._header[start:stop]:
            yield head
        position = max(start - wav.HEADER_BYTES, 0)
        end = stop - wav.HEADER_BYTES
        async for block in self._segments.read(position, min(end, self._persisted_bytes)):
            yield block
        position = max(position, self._persisted_bytes)
        while position < end:
            until = min(position + _BLOCK_BYTES, end)
            yield await self._tail(position, until)
            position = until

    async def peaks(self) -> Peaks:
        known = b"" if self._recording is None else await self._recording.pixels()
        return await measure(self, self._pcm_format, known)

    async def _tail(self, start: int, stop: int) -> bytes:
        if self._segments.pcm_bytes < stop and self._recording is not None:
            try:
                return await asyncio.to_thread(self._recording.spool.read, start, stop)
            except StorageUnavailableError:
                if self._segments.pcm_bytes < stop:
                    raise
        return b"".join([block async for block in self._segments.read(start, stop)])
