"""Read a completed recording and its waveform from the bucket."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime

from storage.errors import RecordingNotFoundError
from storage.pcm import PcmFormat
from storage.s3.client.bucket import Bucket
from storage.s3.keys import SessionKeys
from storage.s3.reading.waveforms import WaveformReader
from storage.s3.writing.digest import put_waveform
from storage.waveform.kept import KeptWaveform
from storage.waveform.peaks import Peaks
from storage.waveform.pixels import Pixels

_BLOCK_BYTES = 1024 * 1024


class FinalObject:
    """The final WAV in the bucket, of which any range can be read."""

    def __init__(
        self, bucket: Bucket, key: str, size_bytes: int, *, block_bytes: int = _BLOCK_BYTES
    ) -> None:
        """``block_bytes``: how much one request reads, which is in memory."""
        self.size_bytes = size_bytes
        self._block_bytes = block_bytes
        self._bucket = bucket
        self._key = key

    async def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        while start < stop:
            until = min(start + self._block_bytes, stop)
            yield await self._bucket.get(self._key, start, until)
            start = until


class CompletedAudio(FinalObject):
    """See `storage.base.Audio`."""

    def __init__(
        self,
        bucket: Bucket,
        keys: SessionKeys,
        pcm_format: PcmFormat,
        size_bytes: int,
        modified_at: datetime,
        waveforms: WaveformReader,
        measuring: asyncio.Lock,
    ) -> None:
        super().__init__(bucket, keys.audio, size_bytes)
        self.modified_at = modified_at
        self.etag = f'"{keys.session_id}-{size_bytes}"'
        self._waveform = KeptWaveform(
            WaveformObject(bucket, keys, waveforms), pcm_format, measuring
        )

    async def peaks(self) -> Peaks:
        return await self._waveform.peaks_of(self)


class WaveformObject:
    """See `storage.waveform.kept.WaveformStore`."""

    def __init__(self, bucket: Bucket, keys: SessionKeys, waveforms: WaveformReader) -> None:
        self._bucket = bucket
        self._keys = keys
        self._waveforms = waveforms

    @property
    def name(self) -> str:
        return self._keys.peaks

    async def read(self, size_bytes: int) -> Pixels | None:
        try:
            return await self._waveforms.read(self._keys.peaks, size_bytes)
        except RecordingNotFoundError:
            return None

    async def keep(self, data: bytes) -> None:
        await put_waveform(self._bucket, self._keys, data)
        try:
            await self._bucket.head(self._keys.audio)
        except RecordingNotFoundError:  # a deletion removes the audio first
            await self._bucket.delete([self._keys.peaks])
            raise
