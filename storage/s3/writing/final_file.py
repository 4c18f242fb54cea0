"""The final WAV: put part by part while it is recorded, made one object at the end."""

import asyncio

from storage import wav
from storage.errors import RecordingNotFoundError, StorageUnavailableError
from storage.pcm import PcmFormat
from storage.s3.client.bucket import Bucket
from storage.s3.writing.segment_log import Segments
from storage.s3.writing.spool import Spool
from storage.s3.writing.upload import Upload


class FinalFile:
    """Of one recording. A recording of less than a part is one put, at the end."""

    def __init__(
        self,
        bucket: Bucket,
        segments: Segments,
        spool: Spool,
        pcm_format: PcmFormat,
        part_bytes: int,
        upload: Upload | None,
    ) -> None:
        self._bucket = bucket
        self._segments = segments
        self._spool = spool
        self._pcm_format = pcm_format
        self._part_bytes = part_bytes
        self._upload = upload
        self._key = segments.keys.audio
        # Not counting the first.
        self._parts_done = upload.parts_from_the_second if upload is not None else 0

    async def ship(self, pcm_bytes: int) -> None:
        """Put every part that is whole when ``pcm_bytes`` are persisted, but for the first."""
        while (self._parts_done + 2) * self._part_bytes <= pcm_bytes + wav.HEADER_BYTES:
            if self._upload is None:
                self._upload = await Upload.begin(self._bucket, self._key)
            number = self._parts_done + 2
            start = (number - 1) * self._part_bytes - wav.HEADER_BYTES
            stop = start + self._part_bytes
            if not self._upload.has(number):
                await self._upload.put(number, await self._read(start, stop))
            self._parts_done += 1
            await asyncio.to_thread(self._spool.free, start, stop)

    async def finish(self, pcm_bytes: int) -> str:
        """The last part, then the first, then the whole. Gives the object's ETag."""
        header = wav.header(self._pcm_format, pcm_bytes)
        size_bytes = len(header) + pcm_bytes
        if self._upload is None and size_bytes <= self._part_bytes:
            body = header + await self._read(0, pcm_bytes)
            await self._bucket.put(self._key, body, "audio/wav")
        elif self._upload is not None or not await self._is_whole(size_bytes):
            await self.ship(pcm_bytes)
            self._upload = self._upload or await Upload.begin(self._bucket, self._key)
            rest = (self._parts_done + 1) * self._part_bytes - len(header)
            if rest < pcm_bytes:
                await self._upload.put(self._parts_done + 2, await self._read(rest, pcm_bytes))
            first = await self._read(0, self._part_bytes - len(header))
            await self._upload.put(1, header + first)
            await self._upload.complete(size_bytes)
        head = await self._bucket.head(self._key)
        if head.size_bytes != size_bytes:
            raise StorageUnavailableError(
                f"{self._key} has {head.size_bytes} bytes instead of {size_bytes}"
            )
        return head.etag

    async def _is_whole(self, size_bytes: int) -> bool:
        """Whether a writer that died made the object already: audio of that length is the same."""
        try:
            return (await self._bucket.head(self._key)).size_bytes == size_bytes
        except RecordingNotFoundError:
            return False

    async def _read(self, start: int, stop: int) -> bytes:
        """PCM from the spool, or from segments where the spool never had it."""
        if self._spool.has(start, stop):
            return await asyncio.to_thread(self._spool.read, start, stop)
        return b"".join([block async for block in self._segments.read(start, stop)])
