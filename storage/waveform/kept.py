"""The waveform of a completed recording: kept beside its audio, measured if it is missing."""

import asyncio
import logging
from typing import Protocol

from storage import wav
from storage.errors import StorageUnavailableError
from storage.pcm import PcmFormat
from storage.waveform import peaks
from storage.waveform.measuring import Readable, measure
from storage.waveform.peaks import Peaks
from storage.waveform.pixels import Pixels

logger = logging.getLogger(__name__)


class WaveformStore(Protocol):
    """Where a backend keeps the waveform of one recording, as the bytes of a file."""

    @property
    def name(self) -> str:
        """Name the file or object, for the log."""
        ...

    async def read(self, size_bytes: int) -> Pixels | None:
        """Return what is kept, None if there is nothing.

        It should have ``size_bytes``; of anything longer a part is enough.
        """
        ...

    async def keep(self, data: bytes) -> None:
        """Keep ``data``, but nothing of a recording that was deleted meanwhile.

        Raises `StorageUnavailableError`; may raise `RecordingNotFoundError` if it was deleted.
        """
        ...


class KeptWaveform:
    """The waveform of one completed recording.

    ``measuring`` is held while audio is read to be measured, so that several requests at once
    measure it once.
    """

    def __init__(
        self, store: WaveformStore, pcm_format: PcmFormat, measuring: asyncio.Lock
    ) -> None:
        self._store = store
        self._pcm_format = pcm_format
        self._measuring = measuring

    async def peaks_of(self, audio: Readable) -> Peaks:
        """Return the waveform that is kept, or measure ``audio`` and keep its waveform."""
        if found := await self._read(audio):
            return found
        async with self._measuring:
            if found := await self._read(audio):
                return found
            found = await measure(audio, self._pcm_format)
            await self._keep(found)
        return found

    async def _read(self, audio: Readable) -> Peaks | None:
        pcm_bytes = audio.size_bytes - wav.HEADER_BYTES
        try:
            data = await self._store.read(peaks.file_bytes(self._pcm_format, pcm_bytes))
        except StorageUnavailableError as error:
            logger.warning("Failed to read a waveform: name=%s error=%s", self._store.name, error)
            return None
        if data is None:
            return None
        return peaks.decode_whole(data, self._pcm_format, pcm_bytes)

    async def _keep(self, found: Peaks) -> None:
        try:
            await self._store.keep(found.encode())
        except StorageUnavailableError as error:
            logger.warning("Failed to keep a waveform: name=%s error=%s", self._store.name, error)
