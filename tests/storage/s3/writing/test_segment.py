"""Encoding and decoding of segments."""

import io

import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from storage.pcm import PcmFormat
from storage.s3.writing.segment import Segment, SegmentError
from tests.audio import decode, pcm, wav

formats = st.builds(PcmFormat, st.sampled_from([8000, 44100, 96000]), st.sampled_from([1, 2]))


@given(formats, st.binary(max_size=4000))
def test_a_segment_is_read_back_sample_for_sample(pcm_format: PcmFormat, data: bytes) -> None:
    segment = Segment(pcm_format, data[: pcm_format.whole_frames(len(data))])
    encoded = segment.encode()
    assert len(encoded) == 44 + len(segment.pcm)
    assert Segment.decode(encoded) == segment


def test_other_readers_can_play_a_segment() -> None:
    segment = Segment(PcmFormat(48000, 2), pcm(4800, channels=2))
    samples, sample_rate = soundfile.read(io.BytesIO(segment.encode()), dtype="int16")
    assert (sample_rate, samples.shape) == (48000, (4800, 2))
    assert samples.tobytes() == segment.pcm
    assert decode(segment.encode(), sample_rate=48000, channels=2) == segment.pcm


def test_a_segment_knows_its_length() -> None:
    segment = Segment(PcmFormat(16000, 2), pcm(8000, channels=2))
    assert (segment.frames, segment.seconds) == (8000, 0.5)


@pytest.mark.parametrize("length", [0, 3, 11, 12, 20, 43, 44, 100, 243])
def test_a_truncated_segment_is_refused(length: int) -> None:
    encoded = Segment(PcmFormat(16000, 1), pcm(100)).encode()
    with pytest.raises(SegmentError):
        Segment.decode(encoded[:length])


@pytest.mark.parametrize(
    "data",
    [
        b"x" * 200,
        wav(bytes(300), sample_bits=24),
        wav(bytes(300), sample_bits=32, format_tag=3),
        wav(pcm(10), data_bytes=1000),
        wav(pcm(10)) + b"more",
    ],
    ids=["noise", "24 bits", "float", "audio missing", "trailing bytes"],
)
def test_bytes_that_are_not_a_segment_are_refused(data: bytes) -> None:
    with pytest.raises(SegmentError):
        Segment.decode(data)


@given(st.binary(max_size=300))
def test_random_bytes_raise_only_segment_errors(data: bytes) -> None:
    with pytest.raises(SegmentError):
        Segment.decode(b"RIFF" + data)
