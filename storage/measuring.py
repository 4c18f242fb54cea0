"""The waveform of audio that nobody has measured yet, or not all of it."""

import asyncio
from collections.abc import Callable

from storage import peaks, wav
from storage.base import Audio
from storage.peaks import Peaks
from storage.wav import PcmFormat


async def measure(
    audio: Audio,
    pcm_format: PcmFormat,
    known: bytes = b"",
    also: Callable[[bytes], object] | None = None,
) -> Peaks:
    """Of all that ``audio`` has. What is ``known`` of its first pixels is not read again.

    ``also`` is called, in a thread, with each block that is read.
    """
    one, per_pixel = peaks.pixel_bytes(pcm_format), peaks.pcm_bytes_per_pixel(pcm_format)
    # The last pixel may have grown since: only those that were whole are taken over.
    whole = min((audio.size_bytes - wav.HEADER_BYTES) // per_pixel, len(known) // one)
    pixels, rest = bytearray(), b""
    async for block in audio.read(wav.HEADER_BYTES + whole * per_pixel, audio.size_bytes):
        more, rest = await asyncio.to_thread(peaks.whole_pixels, rest + block, pcm_format)
        pixels += more
        if also is not None:
            await asyncio.to_thread(also, block)
    pixels += peaks.measured(rest, pcm_format)
    return peaks.peaks_of(pcm_format, known[: whole * one] + pixels)
