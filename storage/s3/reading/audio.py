"""Read a completed recording and its waveform from the bucket."""

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
