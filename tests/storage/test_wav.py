"""WAV headers below and above 4 GiB."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from storage import wav
from storage.pcm import PcmFormat
from tests.audio import pcm

STEREO = PcmFormat(48000, 2)
LAST_RIFF_BYTES = 0xFFFFFFFF - wav.HEADER_BYTES + 8 - 3  # whole frames of STEREO


@pytest.mark.parametrize("sample_rate", [8000, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2])
def test_another_reader_finds_every_sample(sample_rate: int, channels: int) -> None:
    data = pcm(1234, channels=channels)
    file = io.BytesIO(wav.header(PcmFormat(sample_rate, channels), len(data)) + data)
    samples, found_rate = soundfile.read(file, dtype="int16", always_2d=True)
    assert found_rate == sample_rate
    assert samples.shape == (1234, channels)
    assert samples.tobytes() == data


@pytest.mark.parametrize("pcm_bytes", [0, 4, LAST_RIFF_BYTES - 4, LAST_RIFF_BYTES + 4, 2**40])
def test_the_header_has_a_constant_length(pcm_bytes: int) -> None:
    assert len(wav.header(STEREO, pcm_bytes)) == wav.HEADER_BYTES


def test_riff_is_used_if_the_sizes_fit_into_32_bits() -> None:
    assert wav.container(0xFFFFFFFE - wav.HEADER_BYTES + 8) == "RIFF"
    assert wav.container(0xFFFFFFFF - wav.HEADER_BYTES + 8) == "RF64"


def test_rf64_keeps_its_sizes_in_ds64() -> None:
    pcm_bytes = 5 * 2**30
    header = wav.header(STEREO, pcm_bytes)
    assert header[:16] == b"RF64\xff\xff\xff\xffWAVEds64"
    assert struct.unpack_from("<QQQ", header, 20) == (pcm_bytes + 72, pcm_bytes, pcm_bytes // 4)
    assert header[72:] == b"data\xff\xff\xff\xff"


@pytest.mark.parametrize(
    "pcm_bytes", [LAST_RIFF_BYTES - 4, LAST_RIFF_BYTES + 4, 24 * 3600 * 384000]
)
def test_another_reader_opens_files_below_and_above_4_gib(tmp_path: Path, pcm_bytes: int) -> None:
    path = tmp_path / "long.wav"
    last = np.array([1, 2], "<i2").tobytes()
    with path.open("wb") as file:
        file.write(wav.header(STEREO, pcm_bytes))
        file.seek(pcm_bytes - 4, 1)  # sparse: only the last frame takes space
        file.write(last)
    with soundfile.SoundFile(path) as found:
        assert found.frames == pcm_bytes // 4
        assert found.samplerate == 48000
        found.seek(found.frames - 1)
        assert found.read(1, dtype="int16").tobytes() == last


def test_seconds_are_the_frames_divided_by_the_rate() -> None:
    assert STEREO.seconds(4 * 12345) == 12345 / 48000
    assert STEREO.whole_frames(4 * 10 + 3) == 40
