"""Read a completed recording and its waveform from the bucket."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime

from storage.errors import RecordingNotFoundError
from storage.pcm import PcmFormat
from storage.s3.client.bucket import Bucket
from storage.s3.keys import SessionKeys
from storage.s3.writing.digest import put_waveform
from storage.waveform.kept import KeptWaveform
from storage.waveform.peaks import Peaks

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
        self._waveform = KeptWaveform(
            WaveformObject(bucket, keys), pcm_format, measuring or asyncio.Lock()
        )

    async def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        while start < stop:
            until = min(start + _BLOCK_BYTES, stop)
            yield await self._bucket.get(self._keys.audio, start, until)
            start = until

    async def peaks(self) -> Peaks:
        return await self._waveform.peaks_of(self)


class WaveformObject:
    """See `storage.waveform.kept.WaveformStore`."""

    def __init__(self, bucket: Bucket, keys: SessionKeys) -> None:
        self._bucket = bucket
        self._keys = keys

    @property
    def name(self) -> str:
        return self._keys.peaks

    async def read(self) -> bytes | None:
        try:
            return await self._bucket.get(self._keys.peaks)
        except RecordingNotFoundError:
            return None

    async def keep(self, data: bytes) -> None:
        await put_waveform(self._bucket, self._keys, data)
        try:
            await self._bucket.head(self._keys.audio)
        except RecordingNotFoundError:  # a deletion removes the audio first
            await self._bucket.delete([self._keys.peaks])
            raise
