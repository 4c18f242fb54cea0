"""Reading a recording from the bucket, finished or still growing."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

from storage import wav
from storage.base import StorageUnavailableError
from storage.s3.bucket import Bucket
from storage.s3.recording import S3Recording
from storage.s3.segments import Segments

_BLOCK_BYTES = 1024 * 1024


class CompletedAudio:
    """See `storage.base.Audio`: the final object."""

    def __init__(
        self, bucket: Bucket, key: str, session_id: str, size_bytes: int, modified_at: datetime
    ) -> None:
        self.size_bytes = size_bytes
        self.modified_at = modified_at
        self.etag = f'"{session_id}-{size_bytes}"'
        self._bucket = bucket
        self._key = key

    async def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        while start < stop:
            until = min(start + _BLOCK_BYTES, stop)
            yield await self._bucket.get(self._key, start, until)
            start = until


class GrowingAudio:
    """The same of an active session: what is persisted from its segments, the rest from its spool.

    Without ``recording`` nobody writes it in this process, and only the segments count.
    """

    def __init__(
        self,
        segments: Segments,
        pcm_format: wav.PcmFormat,
        modified_at: datetime,
        recording: S3Recording | None = None,
    ) -> None:
        self._segments = segments
        self._recording = recording
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

    async def _tail(self, start: int, stop: int) -> bytes:
        if self._segments.pcm_bytes < stop and self._recording is not None:
            try:
                return await asyncio.to_thread(self._recording.spool.read, start, stop)
            except StorageUnavailableError:
                if self._segments.pcm_bytes < stop:
                    raise
        return b"".join([block async for block in self._segments.read(start, stop)])
