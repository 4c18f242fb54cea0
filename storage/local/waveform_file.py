"""The file that keeps the waveform of a completed recording."""

from storage import files, threads
from storage.volume.paths import SessionPaths
from storage.waveform.pixels import FilePixels, Pixels


class WaveformFile:
    """See `storage.waveform.kept.WaveformStore`."""

    def __init__(self, paths: SessionPaths) -> None:
        self._paths = paths

    @property
    def name(self) -> str:
        return str(self._paths.peaks)

    async def read(self, size_bytes: int) -> Pixels | None:
        del size_bytes
        return await threads.reading.run(self._read)

    async def keep(self, data: bytes) -> None:
        await threads.reading.run(self._keep, data)

    def _read(self) -> Pixels | None:
        with files.translated_errors():
            return FilePixels.open(self._paths.peaks)

    def _keep(self, data: bytes) -> None:
        with files.translated_errors():
            files.replace(self._paths.peaks, data)
            # A deletion removes the audio first: without audio, remove the waveform again.
            if not self._paths.audio.exists():
                self._paths.peaks.unlink(missing_ok=True)
