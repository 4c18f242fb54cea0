"""Pictures of waveforms as SVG and as PNG with two colors.

A picture has one band per channel, one above the other. Each column of a band has one vertical line
from the maximum to the minimum sample, at least one pixel long.
"""

import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from storage.waveform.peaks import Peaks

COLOR = r"^#?([0-9a-fA-F]{6})([0-9a-fA-F]{2})?$"  # RRGGBB, or RRGGBBAA

_LEVELS = 1 << 16  # of a sample
_HIGHEST = (1 << 15) - 1


class Color(NamedTuple):
    """A color: ``rgb`` as six hex digits, ``alpha`` from 0 (transparent) to 255 (opaque)."""

    rgb: str
    alpha: int

    @classmethod
    def parse(cls, text: str) -> "Color":
        """Return the color in ``text``, RRGGBB or RRGGBBAA. Raises ``ValueError``."""
        found = re.match(COLOR, text)
        if found is None:
            raise ValueError(f"not a color: {text!r}, expected RRGGBB or RRGGBBAA")
        return cls(found[1].lower(), int(found[2] or "ff", 16))


class ImageStyle(msgspec.Struct, frozen=True):
    """The size of a picture in pixels, and its colors."""

    width: int
    height: int
    color: Color
    background: Color


class Column(NamedTuple):
    """A vertical line from row ``top`` to row ``bottom``, both included."""

    top: int
    bottom: int


def bands(peaks: Peaks, style: ImageStyle) -> list[list[Column]]:
    """Return the lines of each channel's band; no lines if there is no audio."""
    channels, length = peaks.pcm_format.channels, peaks.length
    rows = style.height // channels
    lines: list[list[Column]] = [[] for _ in range(channels)]
    columns = style.width if length else 0
    bounds = (
        (column * length // style.width, -(-(column + 1) * length // style.width))
        for column in range(columns)
    )
    for extremes in peaks.extremes(bounds):
        for channel, band in enumerate(lines):
            lowest, highest = extremes[2 * channel : 2 * channel + 2]
            first = channel * rows
            band.append(Column(first + _row(highest, rows), first + _row(lowest, rows)))
    return lines


def _row(value: int, rows: int) -> int:
    return (_HIGHEST - value) * rows // _LEVELS


def svg(peaks: Peaks, style: ImageStyle) -> bytes:
    """Return the waveform as an SVG file."""
    size = f'width="{style.width}" height="{style.height}"'
    paths = "".join(f'<path d="{_outline(band)}"/>' for band in bands(peaks, style) if band)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {style.width} {style.height}"'
        ' preserveAspectRatio="none" shape-rendering="crispEdges">'
        f"<rect {size} {_fill(style.background)}/>"
        f"<g {_fill(style.color)}>{paths}</g></svg>\n"
    ).encode()


def _fill(color: Color) -> str:
    opacity = "" if color.alpha == 0xFF else f' fill-opacity="{color.alpha / 0xFF:.3f}"'
    return f'fill="#{color.rgb}"{opacity}'


def _outline(band: list[Column]) -> str:
    """Return the SVG path of a band: along the tops to the right, along the bottoms back."""
    forth = "".join(f"V{line.top}h1" for line in band)
    back = "".join(f"V{line.bottom + 1}h-1" for line in reversed(band))
    return f"M0 {band[0].top}{forth}{back}Z"


def png(peaks: Peaks, style: ImageStyle) -> bytes:
    """Return the waveform as a PNG file with one bit per pixel.

    PNG, third edition, section 11.2.1: color type 3 (indexed).
    """
    head = struct.pack(">IIBBBBB", style.width, style.height, 1, 3, 0, 0, 0)
    colors = (style.background, style.color)
    packer = zlib.compressobj(level=6)
    rows = (packer.compress(b"\0" + row) for row in _rows(bands(peaks, style), style))
    return b"\x89PNG\r\n\x1a\n" + b"".join((
        _chunk(b"IHDR", head),
        _chunk(b"PLTE", b"".join(bytes.fromhex(color.rgb) for color in colors)),
        _chunk(b"tRNS", bytes(color.alpha for color in colors)),
        _chunk(b"IDAT", b"".join(rows) + packer.flush()),
        _chunk(b"IEND", b""),
    ))  # fmt: skip


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _rows(bands: Iterable[list[Column]], style: ImageStyle) -> Iterator[bytes]:
    """Yield the rows of pixels: each row is the previous one with the starts and ends of lines."""
    changes: list[list[int]] = [[] for _ in range(style.height + 1)]
    for band in bands:
        for column, line in enumerate(band):
            changes[line.top].append(column)
            changes[line.bottom + 1].append(column)
    row = bytearray(-(-style.width // 8))
    for changing in changes[: style.height]:
        for column in changing:
            row[column >> 3] ^= 0x80 >> (column & 7)
        yield bytes(row)
