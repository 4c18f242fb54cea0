"""The waveform of a growing recording, written while it grows.

It can be made from the audio at any time, so it is not made durable. The file has the name of
the boot of the machine in which it was written: after a loss of power another one is begun, and
what the page cache may have lost is never read.
"""

import errno
import os
import threading
from pathlib import Path

import msgspec

from storage import files, wav
from storage.pcm import PcmFormat
from storage.waveform import peaks
from storage.waveform.peaks import Peaks
from storage.waveform.pixels import FilePixels, Pixels, part_of

_BLOCK_BYTES = 256 * 1024


def read_pixels(path: Path) -> Pixels:
    """Return the pixels in the file, empty if there is no file."""
    return FilePixels.open(path, offset=peaks.HEADER_BYTES) or b""


class MeasuringLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much audio is measured in one call, and how often.

    Opening the files costs more than measuring a second of audio.
    """

    interval_seconds: float = 15.0  # of audio, while the recording grows
    step_bytes: int = 8 * 1024 * 1024  # while the recording grows; the lock is then released
    completion_bytes: int = 32 * 1024 * 1024  # while the recording is completed


class GrowingWaveform:
    """The waveform of one recording. Thread-safe; blocks and raises ``OSError``."""

    def __init__(
        self, path: Path, pcm_format: PcmFormat, limits: MeasuringLimits | None = None
    ) -> None:
        self._path = path
        self._limits = limits or MeasuringLimits()
        self._pcm_format = pcm_format
        self._pixel_bytes = peaks.pixel_bytes(pcm_format)
        self._length = 0  # of whole pixels, all in the file
        self._partial_pixel = b""  # PCM of the pixel that is not whole
        self._lock = threading.Lock()
        self.is_stopped = False

    @property
    def pcm_bytes(self) -> int:
        """Return how much audio is measured."""
        return self._length * peaks.pcm_bytes_per_pixel(self._pcm_format) + len(self._partial_pixel)

    def is_due(self, pcm_bytes: int) -> bool:
        """Return whether enough of ``pcm_bytes`` of audio is unmeasured to measure it now."""
        interval_bytes = self._limits.interval_seconds * self._pcm_format.bytes_per_second
        return not self.is_stopped and pcm_bytes - self.pcm_bytes >= max(1, interval_bytes)

    def resume(self, pcm_bytes: int) -> None:
        """Keep what the file has of the first ``pcm_bytes`` of audio; the rest is given again."""
        size = self._path.stat().st_size if self._path.exists() else 0
        found = max(0, size - peaks.HEADER_BYTES) // self._pixel_bytes
        self._length = min(found, pcm_bytes // peaks.pcm_bytes_per_pixel(self._pcm_format))
        if size:
            os.truncate(self._path, self._end)

    def add(self, pcm: bytes) -> None:
        """Measure the next piece of the audio. After an error nothing has changed."""
        with self._lock:
            if not self.is_stopped:
                self._add(pcm)

    def measure_next(self, audio: Path, until: int) -> None:
        """Measure the next step of the WAV, which has ``until`` bytes of PCM."""
        self._measure(audio, until, self._limits.step_bytes)

    def measure_at_completion(self, audio: Path, until: int) -> None:
        """Measure as much of the rest as completion may wait for."""
        self._measure(audio, until, self._limits.completion_bytes)

    def _measure(self, audio: Path, until: int, most_bytes: int) -> None:
        with self._lock:
            stop = min(until, self.pcm_bytes + most_bytes)
            if self.is_stopped or self.pcm_bytes >= stop:
                return
            with audio.open("rb", buffering=0) as file:
                file.seek(wav.HEADER_BYTES + self.pcm_bytes)
                while self.pcm_bytes < stop:
                    block = file.read(min(stop - self.pcm_bytes, _BLOCK_BYTES))
                    if not block:
                        raise OSError(errno.EIO, f"{audio} is shorter than it should be")
                    self._add(block)

    def measure_all(self, audio: Path, until: int) -> None:
        """Measure all of it, and release the lock between two steps."""
        while not self.is_stopped and self.pcm_bytes < until:
            self.measure_next(audio, until)

    def to_peaks(self) -> Peaks:
        """Return the waveform of all measured audio, with the last pixel even if it is partial."""
        with self._lock:
            last = peaks.measured(self._partial_pixel, self._pcm_format)
            return peaks.peaks_of(self._pcm_format, self._pixels(last))

    def pixels(self) -> Pixels:
        """Return the pixels that are whole."""
        with self._lock:
            return self._pixels()

    def finish(self, path: Path) -> None:
        """Write the header and move the file to ``path``. Nothing can be added any more."""
        with self._lock:
            last = peaks.measured(self._partial_pixel, self._pcm_format)
            header = peaks.header(self._pcm_format, self._length + bool(last))
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o666)
            try:
                files.write_at(fd, header, 0)
                files.write_at(fd, last, self._end)
                # The rename may become durable before the content.
                os.fdatasync(fd)
            finally:
                os.close(fd)
            self.is_stopped = True
            self._path.rename(path)

    def stop(self) -> None:
        """Measure nothing more: the file may be removed or belong to another writer."""
        with self._lock:
            self.is_stopped = True

    def _add(self, pcm: bytes) -> None:
        pixels, rest = peaks.whole_pixels(self._partial_pixel + pcm, self._pcm_format)
        if pixels:
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o666)
            try:
                files.write_at(fd, pixels, self._end)
            finally:
                os.close(fd)
        self._length += len(pixels) // self._pixel_bytes
        self._partial_pixel = rest

    def _pixels(self, last: bytes = b"") -> Pixels:
        return part_of(read_pixels(self._path), 0, self._length * self._pixel_bytes, last)

    @property
    def _end(self) -> int:
        return peaks.HEADER_BYTES + self._length * self._pixel_bytes
