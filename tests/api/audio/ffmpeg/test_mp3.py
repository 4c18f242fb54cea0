"""The Info frame tells players the length of an MP3, before its audio is encoded."""

import struct
from pathlib import Path

import pytest

from api.audio.ffmpeg.mp3 import Mp3
from tests.audio import encode, pcm, wav

ONE_HOUR = 3600 * 44_100


@pytest.mark.parametrize(("sample_rate", "channels"), [(44_100, 1), (44_100, 2), (16_000, 1)])
def test_the_info_frame_has_the_numbers_that_ffmpeg_writes_into_a_file(
    sample_rate: int, channels: int, tmp_path: Path
) -> None:
    mp3, path = Mp3.of(sample_rate, channels, 50_000), tmp_path / "x.mp3"
    data = wav(pcm(50_000, channels=channels), sample_rate=sample_rate, channels=channels)
    to_file = ("-b:a", f"{mp3.kbits}k", "-id3v2_version", "0", "-f", "mp3", str(path))
    encode(data, *to_file, "-f", "null")
    reference = path.read_bytes()
    made = mp3.info_frame(reference[:4])
    assert numbers(made) == numbers(reference)


def numbers(frame: bytes) -> tuple[int, ...]:
    """Return the frames, and the samples to drop at both ends."""
    at = frame.index(b"Info")
    delay = int.from_bytes(frame[at + 141 : at + 144])
    return struct.unpack_from(">I", frame, at + 8)[0], delay >> 12, delay % 4096


def test_the_size_of_an_hour_is_the_rate_times_the_time() -> None:
    assert Mp3.of(44_100, 2, ONE_HOUR).size_bytes == pytest.approx(3600 * 192_000 / 8, rel=1e-4)


def test_a_rate_that_mp3_does_not_have_becomes_the_highest() -> None:
    assert Mp3.of(96_000, 1, 96_001) == Mp3(48_000, 1, 48_001)
