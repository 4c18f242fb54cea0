"""Read a recording that is not completed: from its segments, and from the spool of its writer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime

import msgspec

from storage import wav
from storage.errors import StorageUnavailableError
from storage.pcm import PcmFormat
from storage.s3.writing.segment_log import SegmentLog
from storage.waveform.measuring import measure
from storage.waveform.peaks import Peaks

_BLOCK_BYTES = 1024 * 1024


class Unpersisted(msgspec.Struct, frozen=True):
    """What only the node that writes the session can add: audio that no segment has yet.

    ``pcm_bytes`` is the length of the whole recording. ``read`` returns PCM from the spool and
    blocks, ``pixels`` the whole pixels of the waveform of what is persisted.
    """

    pcm_bytes: int
    read: Callable[[int, int], bytes]
    pixels: Callable[[], Awaitable[bytes]]


class GrowingAudio:
    """See `storage.base.Audio`: what is persisted from segments, the rest from the spool."""

    def __init__(
        self,
        segments: SegmentLog,
        pcm_format: PcmFormat,
        modified_at: datetime,
        unpersisted: Unpersisted | None = None,
    ) -> None:
        self._segments = segments
        self._pcm_format = pcm_format
        self._unpersisted = unpersisted
        self._persisted_bytes = segments.pcm_bytes
        pcm_bytes = segments.pcm_bytes if unpersisted is None else unpersisted.pcm_bytes
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
        known = b"" if self._unpersisted is None else await self._unpersisted.pixels()
        return await measure(self, self._pcm_format, known)

    async def _tail(self, start: int, stop: int) -> bytes:
        if self._segments.pcm_bytes < stop and self._unpersisted is not None:
            try:
                return await asyncio.to_thread(self._unpersisted.read, start, stop)
            except StorageUnavailableError:
                if self._segments.pcm_bytes < stop:
                    raise
        return b"".join([block async for block in self._segments.read(start, stop)])
