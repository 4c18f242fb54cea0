"""Read a recording that is not completed: from its segments, and from the spool of its writer."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime

import msgspec

from storage import threads, wav
from storage.errors import StorageUnavailableError
from storage.pcm import PcmFormat
from storage.s3.writing.segment_log import SegmentLog
from storage.waveform.measuring import measure
from storage.waveform.peaks import Peaks
from storage.waveform.pixels import Pixels

_BLOCK_BYTES = 1024 * 1024


class UnpersistedAudio(msgspec.Struct, frozen=True):
    """Audio that only the node that writes the session has, in its spool.

    ``pcm_bytes`` is the length of the whole recording. ``holds`` returns whether the spool has a
    range of PCM, ``read`` returns it and blocks, ``pixels`` returns the whole pixels of the
    waveform of what is persisted.
    """

    pcm_bytes: int
    holds: Callable[[int, int], bool]
    read: Callable[[int, int], bytes]
    pixels: Callable[[], Awaitable[Pixels]]


class GrowingAudio:
    """See `storage.base.Audio`: what is persisted from segments, the rest from the spool."""

    def __init__(
        self,
        segments: SegmentLog,
        pcm_format: PcmFormat,
        modified_at: datetime,
        unpersisted: UnpersistedAudio | None = None,
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

    async def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
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
        """Return PCM that no segment had when the snapshot was made."""
        persisted_bytes = self._segments.pcm_bytes
        if self._unpersisted is None or persisted_bytes >= stop:
            return b"".join([block async for block in self._segments.read(start, stop)])
        if (pcm := await self._read_spool(start, stop)) is not None:
            return pcm
        # The spool has freed what was persisted since.
        persisted_bytes = max(start, self._segments.pcm_bytes)
        if persisted_bytes == start:
            raise StorageUnavailableError(f"the spool does not hold bytes {start} to {stop}")
        if persisted_bytes >= stop:
            return await self._tail(start, stop)
        return await self._tail(start, persisted_bytes) + await self._tail(persisted_bytes, stop)

    async def _read_spool(self, start: int, stop: int) -> bytes | None:
        """Return PCM from the spool, None if a part of it was freed or the spool is gone.

        Raises `StorageUnavailableError` if the segments do not have it either.
        """
        assert self._unpersisted is not None
        try:
            pcm = await threads.reading.run(self._unpersisted.read, start, stop)
        except StorageUnavailableError:
            if self._segments.pcm_bytes < stop:
                raise
            return None
        # Afterwards: the spool notes a hole before it makes it.
        return pcm if self._unpersisted.holds(start, stop) else None
