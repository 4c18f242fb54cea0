"""Parsing of WAV headers in the client."""

import pytest

from sercuescribe_client.cli.wav_header import WavFormat, may_be_wav, parse_wav_format
from tests.audio import chunk, extensible, speech, wav


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (speech(), WavFormat(22050, 1, 44100)),
        (wav(b"", sample_rate=48000, channels=2), WavFormat(48000, 2, 192_000)),
        (wav(b"", before=chunk(b"LIST", b"odd")), WavFormat(44100, 1, 88200)),
        (extensible(b""), WavFormat(44100, 1, 88200)),
        (b"RF64" + wav(b"")[4:], WavFormat(44100, 1, 88200)),
        (wav(b"")[:20], None),
        (b"RIFF\0\0\0\0AVI " + bytes(100), None),
        (b"", None),
    ],
)
def test_a_header_gives_rate_and_channels(head: bytes, expected: WavFormat | None) -> None:
    assert parse_wav_format(head) == expected


def test_a_few_bytes_can_be_the_beginning_of_a_wav() -> None:
    assert may_be_wav(b"")
    assert may_be_wav(b"RI")
    assert not may_be_wav(b"RF6x")
    assert not may_be_wav(b"ID3")
