"""Read a recording on a volume and its waveform, completed or growing."""

import contextlib
import os
import stat
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from storage import files, threads, wav
from storage.errors import BadObjectError, RecordingNotFoundError, StorageUnavailableError
from storage.pcm import PcmFormat
from storage.volume.disk import boot_id
from storage.volume.paths import SessionPaths
from storage.waveform.growing_file import GrowingWaveform, read_pixels
from storage.waveform.measuring import measure
from storage.waveform.peaks import Peaks
from storage.waveform.pixels import Pixels

_BLOCK_BYTES = 256 * 1024


class VolumeAudio:
    """See `storage.base.Audio`.

    The sizes in a growing file's header are patched every few seconds, so a snapshot
    brings its own header, which fits its length, and takes only the samples from the file.
    """

    def __init__(
        self,
        path: Path,
        pcm_format: PcmFormat,
        pcm_bytes: int,
        modified_at: datetime,
        source: "WaveformSource",
    ) -> None:
        self.pcm_format = pcm_format
        self._path = path
        self._source = source
        self._header = wav.header(pcm_format, pcm_bytes)
        self.size_bytes = wav.HEADER_BYTES + pcm_bytes
        self.modified_at = modified_at

    @property
    def etag(self) -> str:
        # Audio is only ever appended: the same length is the same content.
        return f'"{self._path.stem}-{self.size_bytes}"'

    async def peaks(self) -> Peaks:
        return await self._source.peaks_of(self)

    async def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        head = self._header[start:stop]
        if head:
            yield head
        offset = max(start, wav.HEADER_BYTES)
        if offset >= stop:
            return
        with files.translated_errors(), self._path.open("rb", buffering=0) as file:
            while offset < stop:
                # `pread`: a reader that is cancelled closes the file while a thread reads it.
                block = await threads.reading.run(
                    os.pread, file.fileno(), min(stop - offset, _BLOCK_BYTES), offset
                )
                if not block:
                    raise EOFError(f"{self._path} ends at {offset}, before {stop}")
                offset += len(block)
                yield block


class WaveformSource(Protocol):
    """Where the waveform of a snapshot comes from."""

    async def peaks_of(self, audio: "VolumeAudio") -> Peaks: ...


class PartialWaveform:
    """The waveform of an active recording: what is measured already, and the rest of the audio."""

    def __init__(self, paths: SessionPaths, growing: GrowingWaveform | None) -> None:
        self._paths = paths
        self._growing = growing

    async def peaks_of(self, audio: VolumeAudio) -> Peaks:
        pcm_bytes = audio.size_bytes - wav.HEADER_BYTES
        with files.translated_errors():
            if self._growing is not None:
                with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                    await threads.reading.run(
                        self._growing.measure_all, self._paths.audio, pcm_bytes
                    )
            known = await threads.reading.run(self._known)
        return await measure(audio, audio.pcm_format, known)

    def _known(self) -> Pixels:
        growing = self._paths.growing_peaks(boot_id())
        return read_pixels(growing) or read_pixels(self._paths.peaks)


def open_audio(
    paths: SessionPaths, pcm_format: PcmFormat, pcm_bytes: int, source: WaveformSource
) -> VolumeAudio:
    """Return a snapshot of the first ``pcm_bytes`` of PCM in the file. Block.

    Raises `RecordingNotFoundError` if there is no file, `BadObjectError` if it is too short.
    """
    try:
        with files.translated_errors():
            found = paths.audio.stat()
    except StorageUnavailableError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise RecordingNotFoundError(paths.audio.stem) from error
        raise
    if not stat.S_ISREG(found.st_mode) or found.st_size < wav.HEADER_BYTES + pcm_bytes:
        raise BadObjectError(f"{paths.audio} is shorter than the session says, or no file")
    modified_at = datetime.fromtimestamp(found.st_mtime, UTC)
    return VolumeAudio(paths.audio, pcm_format, pcm_bytes, modified_at, source)
