"""Sizes and durations of PCM."""

import pytest

from storage.pcm import PcmFormat


@pytest.mark.parametrize(("channels", "frame_bytes"), [(1, 2), (2, 4)])
def test_a_frame_has_one_sample_of_each_channel(channels: int, frame_bytes: int) -> None:
    pcm_format = PcmFormat(48000, channels)
    assert pcm_format.frame_bytes == frame_bytes
    assert pcm_format.bytes_per_second == 48000 * frame_bytes
    assert pcm_format.frames(10 * frame_bytes) == 10
    assert pcm_format.seconds(24000 * frame_bytes) == 0.5


def test_an_incomplete_frame_does_not_count() -> None:
    stereo = PcmFormat(8000, 2)
    assert [stereo.whole_frames(size_bytes) for size_bytes in range(9)] == [
        0, 0, 0, 0, 4, 4, 4, 4, 8,
    ]  # fmt: skip
    assert stereo.frames(7) == 1
