"""The waveform of a growing recording, written while it grows.

It can be made from the audio at any time, so it is not made durable. The file has the name of
the boot of the machine in which it was written: after a loss of power another one is begun, and
what the page cache may have lost is never read.
"""

import errno
import functools
import os
import threading
from pathlib import Path
from uuid import uuid4

from storage import files, wav
from storage.pcm import PcmFormat
from storage.waveform import peaks
from storage.waveform.peaks import Peaks

_BLOCK_BYTES = 256 * 1024
_STEP_BYTES = 8 * 1024 * 1024  # most that is measured before others have their turn
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@functools.cache
def boot_id() -> str:
    """Names the time since the machine was started; without such a name, the process's own."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return str(uuid4())


def read_pixels(path: Path) -> bytes:
    """What the file holds behind its header; nothing where there is none."""
    try:
        return path.read_bytes()[peaks.HEADER_BYTES :]
    except FileNotFoundError:
        return b""


class GrowingWaveform:
    """Of one recording. Any thread may use it; it blocks and raises ``OSError``."""

    def __init__(self, path: Path, pcm_format: PcmFormat) -> None:
        self._path = path
        self._pcm_format = pcm_format
        self._pixel_bytes = peaks.pixel_bytes(pcm_format)
        self._length = 0  # of whole pixels, all in the file
        self._partial_pixel = b""  # PCM of the pixel that is not whole
        self._lock = threading.Lock()
        self.is_stopped = False

    @property
    def pcm_bytes(self) -> int:
        """How much audio it has been given."""
        return self._length * peaks.pcm_bytes_per_pixel(self._pcm_format) + len(self._partial_pixel)

    def resume(self, pcm_bytes: int) -> None:
        """Keep what the file has of the first ``pcm_bytes`` of audio; the rest is given again."""
        size = self._path.stat().st_size if self._path.exists() else 0
        found = max(0, size - peaks.HEADER_BYTES) // self._pixel_bytes
        self._length = min(found, pcm_bytes // peaks.pcm_bytes_per_pixel(self._pcm_format))
        if size:
            os.truncate(self._path, self._end)

    def add(self, pcm: bytes) -> None:
        """The next piece of the audio. After an error nothing has changed."""
        with self._lock:
            if not self.is_stopped:
                self._add(pcm)

    def measure_next(self, audio: Path, until: int, most_bytes: int = 0) -> None:
        """Take what is new from the WAV, which has ``until`` bytes of PCM, but not too much."""
        with self._lock:
            stop = min(until, self.pcm_bytes + (most_bytes or _STEP_BYTES))
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
        """The same, all of it, with turns for others in between."""
        while not self.is_stopped and self.pcm_bytes < until:
            self.measure_next(audio, until)

    def to_peaks(self) -> Peaks:
        """Of all that was given, the last pixel included."""
        with self._lock:
            pixels = self._pixels() + peaks.measured(self._partial_pixel, self._pcm_format)
            return peaks.peaks_of(self._pcm_format, pixels)

    def pixels(self) -> bytes:
        """Those that are whole."""
        with self._lock:
            return self._pixels()

    def finish(self, path: Path) -> None:
        """Become the file at ``path``. Nothing can be added any more."""
        with self._lock:
            last = peaks.measured(self._partial_pixel, self._pcm_format)
            header = peaks.header(self._pcm_format, self._length + bool(last))
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o666)
            try:
                files.write_at(fd, header, 0)
                files.write_at(fd, last, self._end)
                # The name may become durable before what it names.
                os.fdatasync(fd)
            finally:
                os.close(fd)
            self.is_stopped = True
            self._path.rename(path)

    def stop(self) -> None:
        """Nothing is read any more: the file is another's, or gone."""
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

    def _pixels(self) -> bytes:
        return read_pixels(self._path)[: self._length * self._pixel_bytes]

    @property
    def _end(self) -> int:
        return peaks.HEADER_BYTES + self._length * self._pixel_bytes
