"""Measure the waveform of audio."""

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from storage import threads, wav
from storage.pcm import PcmFormat
from storage.waveform import peaks
from storage.waveform.peaks import Peaks
from storage.waveform.pixels import Pixels, part_of


class Readable(Protocol):
    """A WAV of ``size_bytes``, of which any range of bytes can be read."""

    size_bytes: int

    def read(self, start: int, stop: int) -> AsyncIterator[bytes]: ...


async def measure(
    audio: Readable,
    pcm_format: PcmFormat,
    known_pixels: Pixels = b"",
    on_block: Callable[[bytes], object] | None = None,
) -> Peaks:
    """Return the waveform of all of ``audio``.

    ``known_pixels`` are its first pixels if they were measured before; that audio is not read.
    ``on_block`` is called in a thread with each block that is read.
    """
    one, per_pixel = peaks.pixel_bytes(pcm_format), peaks.pcm_bytes_per_pixel(pcm_format)
    # The last known pixel may cover more audio by now, so only whole pixels are used.
    whole = min((audio.size_bytes - wav.HEADER_BYTES) // per_pixel, len(known_pixels) // one)
    pixels, rest = bytearray(), b""
    async for block in audio.read(wav.HEADER_BYTES + whole * per_pixel, audio.size_bytes):
        more, rest = await threads.reading.run(peaks.whole_pixels, rest + block, pcm_format)
        pixels += more
        if on_block is not None:
            await threads.reading.run(on_block, block)
    pixels += peaks.measured(rest, pcm_format)
    return peaks.peaks_of(pcm_format, part_of(known_pixels, 0, whole * one, bytes(pixels)))
