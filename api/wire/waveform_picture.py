"""Pictures of waveforms: SVG, and PNG of two colours, both drawn here.

A picture has a band for each channel, one above the other. In each column of a band there is one
upright line from the highest to the lowest sample, at least a pixel long.
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
    """As in CSS; an ``alpha`` of 0 cannot be seen, 255 hides what lies behind."""

    rgb: str
    alpha: int

    @classmethod
    def parse(cls, text: str) -> "Color":
        found = re.match(COLOR, text)
        if found is None:
            raise ValueError(f"not a color: {text}")
        return cls(found[1].lower(), int(found[2] or "ff", 16))


class ImageStyle(msgspec.Struct, frozen=True):
    """How large, and in which colors."""

    width: int
    height: int
    color: Color
    background: Color


class Column(NamedTuple):
    """From row ``top`` to row ``bottom``, both included."""

    top: int
    bottom: int


def bands(peaks: Peaks, style: ImageStyle) -> list[list[Column]]:
    """The lines of each channel's band; none where there is no audio."""
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
    """Along the upper ends to the right, and along the lower ones back."""
    forth = "".join(f"V{line.top}h1" for line in band)
    back = "".join(f"V{line.bottom + 1}h-1" for line in reversed(band))
    return f"M0 {band[0].top}{forth}{back}Z"


def png(peaks: Peaks, style: ImageStyle) -> bytes:
    """One bit for each pixel (PNG, third edition, section 11.2.1: color type 3)."""
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
    """Each row is the one above it, but for the lines that begin or end there."""
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
