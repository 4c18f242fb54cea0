"""Waveforms: the lowest and highest sample of every 20 ms of a recording.

They are kept in audiowaveform's binary format, version 2, so other tools can draw them
(`DataFormat.md <https://github.com/bbc/audiowaveform/blob/master/doc/DataFormat.md>`_). All
numbers are little endian:

====== ===== =================================================
offset bytes content
====== ===== =================================================
0      4     2, the version
4      4     0, the flags: values have 16 bits
8      4     sample rate in Hz
12     4     samples per pixel
16     4     length in pixels
20     4     channels
24     …     for each pixel, for each channel: lowest, highest
====== ===== =================================================

A pixel takes 4 bytes for each channel: 720 KB an hour, at any sample rate.
"""

import math
import struct
import sys
import warnings
from array import array
from collections.abc import Iterable, Iterator

import msgspec

from storage.pcm import SAMPLE_BYTES, PcmFormat
from storage.waveform.pixels import Pixels, part_of

with warnings.catch_warnings():
    # Deprecated in the standard library up to Python 3.12; from 3.13 on it is a package.
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

PIXELS_PER_SECOND = 50  # every sample rate is a multiple of it
HEADER_BYTES = 24
VERSION = 2
BITS = 16

_HEADER = struct.Struct("<iIiiIi")
_VALUES = 2  # of one pixel of one channel
_DIGITS = 6  # 0.14 * 50 is not quite 7
_SLICE_PIXELS = 8192  # read at once
_PIECE_PIXELS = 16  # so that what is worked on stays in the processor's cache

# Two samples are compared as one number below, and files hold what is in memory.
assert sys.byteorder == "little"


class Peaks(msgspec.Struct, frozen=True):
    """A waveform. ``pixels`` are the bytes of the file behind its header; a read may block."""

    pcm_format: PcmFormat
    samples_per_pixel: int
    pixels: Pixels

    @property
    def length(self) -> int:
        return len(self.pixels) // pixel_bytes(self.pcm_format)

    def header(self) -> bytes:
        """Return the first 24 bytes of the file."""
        return header(self.pcm_format, self.length, self.samples_per_pixel)

    def encode(self) -> bytes:
        return self.header() + self.pixels[:]

    def part(self, start_seconds: float, stop_seconds: float | None) -> "Peaks":
        """Return the pixels that cover any of the time from start to stop."""
        rate, one = (
            self.pcm_format.sample_rate / self.samples_per_pixel,
            pixel_bytes(self.pcm_format),
        )
        start = math.floor(round(start_seconds * rate, _DIGITS))
        stop = (
            self.length if stop_seconds is None else math.ceil(round(stop_seconds * rate, _DIGITS))
        )
        return msgspec.structs.replace(self, pixels=part_of(self.pixels, start * one, stop * one))

    def fitted(self, width: int) -> "Peaks":
        """Return at most ``width`` pixels, each made of the same smallest number of these."""
        factor = -(-self.length // width)
        if factor <= 1:
            return self
        values = array("h")
        for extremes in self.extremes((at, at + factor) for at in range(0, self.length, factor)):
            values.extend(extremes)
        return Peaks(self.pcm_format, self.samples_per_pixel * factor, values.tobytes())

    def extremes(self, bounds: Iterable[tuple[int, int]]) -> Iterator[list[int]]:
        """Yield lowest and highest of each channel, for each pair of first and last pixel + 1."""
        for start, stop in bounds:
            last = min(stop, self.length)
            slices = [
                self._extremes_of(at, min(at + _SLICE_PIXELS, last))
                for at in range(start, last, _SLICE_PIXELS)
            ]
            pairs = enumerate(zip(*slices, strict=True))
            yield [max(found) if index % 2 else min(found) for index, found in pairs]

    def _extremes_of(self, start: int, stop: int) -> list[int]:
        values, one = _VALUES * self.pcm_format.channels, pixel_bytes(self.pcm_format)
        some = array("h", self.pixels[start * one : stop * one])
        # Of the lowest values the lowest, of the highest the highest.
        return [audioop.minmax(some[at::values], SAMPLE_BYTES)[at % 2] for at in range(values)]


def header(pcm_format: PcmFormat, pixels: int, per_pixel: int | None = None) -> bytes:
    """Return the first 24 bytes of a file of ``pixels`` pixels."""
    per_pixel = per_pixel or samples_per_pixel(pcm_format)
    return _HEADER.pack(VERSION, 0, pcm_format.sample_rate, per_pixel, pixels, pcm_format.channels)


def whole_pixels(pcm: bytes, pcm_format: PcmFormat) -> tuple[bytes, bytes]:
    """Return the whole pixels of ``pcm``, and the PCM behind them."""
    whole = len(pcm) - len(pcm) % pcm_bytes_per_pixel(pcm_format)
    return measured(memoryview(pcm)[:whole], pcm_format), pcm[whole:]


def measured(pcm: bytes | memoryview, pcm_format: PcmFormat) -> bytes:
    """Return the pixels of ``pcm``: whole frames from the start of a pixel on.

    The last pixel may be partial.
    """
    step = _PIECE_PIXELS * pcm_bytes_per_pixel(pcm_format)
    measure = _stereo if pcm_format.channels == 2 else _mono
    size = pcm_bytes_per_pixel(pcm_format)
    view = memoryview(pcm)
    pieces = (view[at : at + step] for at in range(0, len(pcm), step))
    return b"".join(measure(piece, size).tobytes() for piece in pieces)


def _mono(pcm: memoryview, size: int) -> "array[int]":
    values = array("h")
    for at in range(0, len(pcm), size):
        values.extend(audioop.minmax(pcm[at : at + size], SAMPLE_BYTES))
    return values


def _stereo(pcm: memoryview, size: int) -> "array[int]":
    """Measure both channels without splitting them, which would cost more than the rest.

    A frame read as one number of 32 bits has the right sample in its upper half, so the least
    number has the lowest right sample. Two bytes earlier the left sample is in the upper half.
    """
    shifted = memoryview(bytes(SAMPLE_BYTES) + pcm)
    values = array("h")
    for at in range(0, len(pcm), size):
        stop = min(at + size, len(pcm))
        left = audioop.minmax(shifted[at:stop], 2 * SAMPLE_BYTES)
        right = audioop.minmax(pcm[at:stop], 2 * SAMPLE_BYTES)
        values.extend(value >> BITS for value in (*left, *right))
    return values


def samples_per_pixel(pcm_format: PcmFormat) -> int:
    return pcm_format.sample_rate // PIXELS_PER_SECOND


def pcm_bytes_per_pixel(pcm_format: PcmFormat) -> int:
    return samples_per_pixel(pcm_format) * pcm_format.frame_bytes


def pixel_bytes(pcm_format: PcmFormat) -> int:
    return _VALUES * SAMPLE_BYTES * pcm_format.channels


def length(pcm_format: PcmFormat, pcm_bytes: int) -> int:
    """Return the number of pixels of ``pcm_bytes``, a partial last one included."""
    return -(-pcm_bytes // pcm_bytes_per_pixel(pcm_format))


def file_bytes(pcm_format: PcmFormat, pcm_bytes: int) -> int:
    """Return the size of the file with the waveform of ``pcm_bytes``."""
    return HEADER_BYTES + length(pcm_format, pcm_bytes) * pixel_bytes(pcm_format)


def peaks_of(pcm_format: PcmFormat, pixels: Pixels) -> Peaks:
    """Return the waveform of ``pixels`` of 20 ms each."""
    return Peaks(pcm_format, samples_per_pixel(pcm_format), pixels)


def decode(data: Pixels) -> Peaks:
    """Decode a file of 16-bit values. Raises ``ValueError`` for anything else or a part of one."""
    if len(data) < HEADER_BYTES:
        raise ValueError("no header of a waveform")
    version, flags, sample_rate, per_pixel, pixels, channels = _HEADER.unpack(data[:HEADER_BYTES])
    pcm_format = PcmFormat(sample_rate, channels)
    if (version, flags) != (VERSION, 0) or channels < 1:
        raise ValueError("not a waveform of 16 bits")
    if len(data) != HEADER_BYTES + pixels * pixel_bytes(pcm_format):
        raise ValueError(f"not a waveform of {pixels} pixels")
    return Peaks(pcm_format, per_pixel, part_of(data, HEADER_BYTES, len(data)))


def decode_whole(data: Pixels, pcm_format: PcmFormat, pcm_bytes: int) -> Peaks | None:
    """Decode a file, None if it is not the waveform of ``pcm_bytes`` of that format."""
    try:
        peaks = decode(data)
    except ValueError:
        return None
    is_fit = peaks.pcm_format == pcm_format and peaks.length == length(pcm_format, pcm_bytes)
    return peaks if is_fit and peaks.samples_per_pixel == samples_per_pixel(pcm_format) else None
