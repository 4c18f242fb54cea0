"""Waveforms compared with an independent implementation in numpy."""

import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.pcm import PcmFormat
from storage.waveform import peaks
from storage.waveform.peaks import Peaks
from storage.waveform.pixels import FilePixels
from tests.audio import pcm, pixels

FORMATS = [PcmFormat(rate, channels) for rate in (8000, 22050, 48000) for channels in (1, 2)]


def expected(data: bytes, pcm_format: PcmFormat, per_pixel: int | None = None) -> bytes:
    per_pixel = per_pixel or peaks.samples_per_pixel(pcm_format)
    return pixels(data, per_pixel=per_pixel, channels=pcm_format.channels)


@pytest.mark.parametrize("pcm_format", FORMATS, ids=str)
@pytest.mark.parametrize("frames", [0, 1, 159, 160, 161, 960, 50_000])
def test_a_pixel_holds_the_lowest_and_highest_sample_of_20_ms(
    pcm_format: PcmFormat, frames: int
) -> None:
    data = pcm(frames, channels=pcm_format.channels)
    assert peaks.measured(data, pcm_format) == expected(data, pcm_format)
    assert peaks.length(pcm_format, len(data)) * peaks.pixel_bytes(pcm_format) == len(
        expected(data, pcm_format)
    )


@given(st.lists(st.integers(-32768, 32767), max_size=400), st.sampled_from([1, 2]))
def test_extreme_sample_values_are_measured(samples: list[int], channels: int) -> None:
    pcm_format = PcmFormat(400, channels)
    data = np.array(samples[: len(samples) // channels * channels], "<i2").tobytes()
    assert peaks.measured(data, pcm_format) == expected(data, pcm_format)


@given(st.lists(st.integers(0, 4000), max_size=12), st.sampled_from([1, 2]))
def test_the_pixels_do_not_depend_on_how_the_audio_is_cut(cuts: list[int], channels: int) -> None:
    pcm_format = PcmFormat(8000, channels)
    data = pcm(1000, channels=channels)
    found, rest = b"", b""
    for start, stop in pairwise(sorted({0, len(data), *(cut % len(data) for cut in cuts)})):
        more, rest = peaks.whole_pixels(rest + data[start:stop], pcm_format)
        found += more
    assert found + peaks.measured(rest, pcm_format) == expected(data, pcm_format)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("width", [1, 2, 7, 99, 100, 101, 250, 1000])
def test_fewer_pixels_summarise_longer_blocks(channels: int, width: int) -> None:
    pcm_format = PcmFormat(8000, channels)
    data = pcm(40_000, channels=channels)
    whole = peaks.peaks_of(pcm_format, peaks.measured(data, pcm_format))
    fitted = whole.fitted(width)
    assert whole.length == 250
    assert fitted.length <= width
    assert fitted.samples_per_pixel % whole.samples_per_pixel == 0
    assert fitted.pixels == expected(data, pcm_format, fitted.samples_per_pixel)


class CountedPixels(FilePixels):
    """Pixels that note how much is read at once."""

    most_bytes = 0

    def __getitem__(self, wanted: slice) -> bytes:
        found = super().__getitem__(wanted)
        self.most_bytes = max(self.most_bytes, len(found))
        return found


def test_a_day_is_summarised_in_bounded_memory(tmp_path: Path) -> None:
    day = pcm(2 * 50 * 24 * 3600 // 100) * 100
    path = tmp_path / "waveform"
    path.write_bytes(day)
    pixels = CountedPixels.open(path)
    assert isinstance(pixels, CountedPixels)
    found = peaks.peaks_of(PcmFormat(8000, 1), pixels).fitted(1)
    samples = np.frombuffer(day, "<i2").reshape(-1, 2)
    assert found.pixels == np.array([samples[:, 0].min(), samples[:, 1].max()], "<i2").tobytes()
    assert pixels.most_bytes < 100_000


@pytest.mark.parametrize(
    ("start", "stop", "wanted"),
    [
        (0, None, range(250)),
        (1, 2, range(50, 100)),
        (0.03, 0.05, range(1, 3)),
        (0.14, 0.58, range(7, 29)),
        (4.99, 99, range(249, 250)),
        (5, None, range(0)),
        (7, 8, range(0)),
    ],
)
def test_a_part_holds_every_pixel_that_it_touches(
    start: float, stop: float | None, wanted: range
) -> None:
    pcm_format = PcmFormat(8000, 2)
    whole = peaks.measured(pcm(40_000, channels=2), pcm_format)
    part = peaks.peaks_of(pcm_format, whole).part(start, stop)
    assert part.pixels == whole[8 * wanted.start : 8 * wanted.stop]


def test_a_file_has_the_header_of_audiowaveform() -> None:
    found = peaks.peaks_of(PcmFormat(48000, 2), bytes(range(16)))
    assert found.encode() == struct.pack("<iIiiIi", 2, 0, 48000, 960, 2, 2) + bytes(range(16))
    assert peaks.decode(found.encode()) == found


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(23),
        bytes(24),
        struct.pack("<iIiiIi", 2, 1, 8000, 160, 0, 1),
        struct.pack("<iIiiIi", 1, 0, 8000, 160, 0, 1),
        struct.pack("<iIiiIi", 2, 0, 8000, 160, 2, 1) + bytes(4),
        struct.pack("<iIiiIi", 2, 0, 8000, 160, 1, 1) + bytes(5),
        struct.pack("<iIiiIi", 2, 0, 8000, 160, 1, 0),
    ],
)
def test_bytes_that_are_not_a_waveform_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="waveform"):
        peaks.decode(data)


def test_a_file_is_accepted_only_for_the_matching_audio_length() -> None:
    pcm_format = PcmFormat(8000, 1)
    encoded = Peaks(pcm_format, 160, bytes(8)).encode()
    assert peaks.decode_whole(encoded, pcm_format, 321) is not None
    assert peaks.decode_whole(encoded, pcm_format, 640) is not None
    assert peaks.decode_whole(encoded, pcm_format, 320) is None
    assert peaks.decode_whole(encoded, pcm_format, 642) is None
    assert peaks.decode_whole(encoded, PcmFormat(8000, 2), 642) is None
    assert peaks.decode_whole(encoded[:-1], pcm_format, 642) is None
