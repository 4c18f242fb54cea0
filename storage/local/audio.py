"""The waveform of a completed recording, kept beside its audio."""

import asyncio
import logging

from storage import files, wav
from storage.errors import StorageUnavailableError
from storage.volume.audio import VolumeAudio
from storage.volume.paths import SessionPaths
from storage.waveform import peaks
from storage.waveform.measuring import measure
from storage.waveform.peaks import Peaks

logger = logging.getLogger(__name__)


class KeptPeaks:
    """When it is completed: from the file beside the audio, which is made if there is none."""

    def __init__(self, paths: SessionPaths, measuring: asyncio.Lock) -> None:
        self._paths = paths
        self._measuring = measuring

    async def peaks_of(self, audio: VolumeAudio) -> Peaks:
        if found := await asyncio.to_thread(self._kept, audio):
            return found
        async with self._measuring:
            if found := await asyncio.to_thread(self._kept, audio):
                return found
            found = await measure(audio, audio.pcm_format)
            await asyncio.to_thread(self._keep, found)
        return found

    def _kept(self, audio: VolumeAudio) -> Peaks | None:
        with files.translated_errors():
            if not self._paths.peaks.exists():
                return None
            data = self._paths.peaks.read_bytes()
        return peaks.decode_whole(data, audio.pcm_format, audio.size_bytes - wav.HEADER_BYTES)

    def _keep(self, found: Peaks) -> None:
        try:
            with files.translated_errors():
                files.replace(self._paths.peaks, found.encode())
                if not self._paths.audio.exists():  # deleted meanwhile, and first of all
                    self._paths.peaks.unlink(missing_ok=True)
        except StorageUnavailableError as error:
            logger.warning("%s could not be kept: %s", self._paths.peaks, error)
