"""Pictures of waveforms, checked by reading them back."""

import re
import struct
import xml.etree.ElementTree as ET
import zlib
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from api.wire.waveform_picture import Color, ImageStyle, bands, png, svg
from storage.pcm import PcmFormat
from storage.waveform import peaks
from tests.audio import pcm

RED, WHITE = Color("ff0000", 255), Color("ffffff", 128)


def style(width: int, height: int) -> ImageStyle:
    return ImageStyle(width, height, RED, WHITE)


def waveform(data: bytes, channels: int = 1) -> peaks.Peaks:
    pcm_format = PcmFormat(8000, channels)
    return peaks.peaks_of(pcm_format, peaks.measured(data, pcm_format))


def read_png(data: bytes) -> tuple[dict[bytes, bytes], Any]:
    """Return the chunks of a PNG, and its pixels: 0 for the background, 1 for the wave."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", data, at + 8 + size) == (zlib.crc32(kind + body),)
        chunks[kind], at = body, at + 12 + size
    width, height = struct.unpack_from(">II", chunks[b"IHDR"])
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), "u1").reshape(height, -1)
    assert not rows[:, 0].any()  # no filter
    return chunks, np.unpackbits(rows[:, 1:], axis=1)[:, :width]


def drawn(picture: bytes, width: int, height: int) -> Any:
    """Return the pixels of an SVG with this kind of paths."""
    pixels = np.zeros((height, width), "u1")
    root = ET.fromstring(picture)
    for path in root.iter("{http://www.w3.org/2000/svg}path"):
        steps = re.findall(r"([MVhZ])([-0-9 ]*)", path.attrib["d"])
        levels = [int(value) for kind, value in steps if kind == "V"]
        tops, bottoms = levels[:width], levels[width:][::-1]
        for column, (top, bottom) in enumerate(zip(tops, bottoms, strict=True)):
            pixels[top:bottom, column] = 1
    return pixels


SIZES = [(1, 16), (7, 16), (8, 17), (64, 40), (250, 100), (1000, 33)]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_each_column_spans_the_highest_to_the_lowest_sample(
    channels: int, width: int, height: int
) -> None:
    quiet = np.frombuffer(pcm(20_000 * channels), "<i2") // np.arange(1, 20_000 * channels + 1)
    data = quiet.astype("<i2").tobytes()
    found = waveform(data, channels)
    chunks, pixels = read_png(png(found, style(width, height)))
    assert chunks[b"IHDR"] == struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)
    assert (pixels == drawn(svg(found, style(width, height)), width, height)).all()
    rows = height // channels
    values = np.frombuffer(found.pixels[:], "<i2").reshape(-1, channels, 2).astype(int)
    cuts = [column * found.length / width for column in range(width + 1)]
    for channel in range(channels):
        band = pixels[channel * rows : (channel + 1) * rows]
        for column, (start, stop) in enumerate(pairwise(cuts)):
            block = values[int(start) : int(np.ceil(stop)), channel]
            top = (32767 - block[:, 1].max()) * rows // 65536
            bottom = (32767 - block[:, 0].min()) * rows // 65536
            (marked,) = band[:, column].nonzero()
            assert list(marked) == list(range(top, bottom + 1))


def test_silence_is_a_line_in_the_middle_and_full_scale_reaches_the_edges() -> None:
    silent = waveform(bytes(1600))
    assert bands(silent, style(2, 100)) == [[(49, 49)] * 2]
    loud = waveform(struct.pack("<hh", -32768, 32767) * 400)
    assert bands(loud, style(1, 100)) == [[(0, 99)]]


def test_no_audio_is_an_empty_picture() -> None:
    nothing = waveform(b"", channels=2)
    assert not read_png(png(nothing, style(30, 20)))[1].any()
    assert not drawn(svg(nothing, style(30, 20)), 30, 20).any()


def test_pictures_have_the_requested_colors() -> None:
    chunks, _ = read_png(png(waveform(pcm(500)), style(30, 20)))
    assert chunks[b"PLTE"] == b"\xff\xff\xff\xff\0\0"
    assert chunks[b"tRNS"] == b"\x80\xff"
    text = svg(waveform(pcm(500)), style(30, 20)).decode()
    assert '<rect width="30" height="20" fill="#ffffff" fill-opacity="0.502"/>' in text
    assert '<g fill="#ff0000">' in text


@pytest.mark.parametrize(
    ("text", "color"), [("1F77b4", ("1f77b4", 255)), ("#00000000", ("000000", 0))]
)
def test_a_color_is_six_or_eight_digits(text: str, color: tuple[str, int]) -> None:
    assert Color.parse(text) == color


@pytest.mark.parametrize("text", ["", "red", "#fff", "12345", "1234567", '"/><script>', "12345g"])
def test_any_other_text_is_refused_as_a_color(text: str) -> None:
    with pytest.raises(ValueError, match="not a color"):
        Color.parse(text)
