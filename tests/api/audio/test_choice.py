"""The choice between passthrough and ffmpeg for a stream."""

import struct

import pytest

from api.audio.choice import Choice, choose
from api.audio.formats import DecodeError
from storage.pcm import PcmFormat
from tests.audio import chunk, extensible, pcm, wav

MONO = PcmFormat(44100, 1)


def test_a_16_bit_wav_that_matches_the_session_passes_through() -> None:
    choice = choose(wav(pcm(9)), "wav", MONO)
    assert choice is not None
    assert (choice.way, choice.offset, choice.data_bytes) == ("passthrough", 44, 18)


@pytest.mark.parametrize(
    ("data", "samples", "rate", "channels"),
    [
        (wav(bytes(96), sample_rate=48000), "s16le", 48000, 1),
        (wav(bytes(96), channels=2), "s16le", 44100, 2),
        (wav(bytes(96), sample_bits=24), "s24le", 44100, 1),
        (wav(bytes(96), sample_bits=32, format_tag=3), "f32le", 44100, 1),
        (wav(bytes(96), sample_bits=8, format_tag=7), "mulaw", 44100, 1),
    ],
    ids=["rate", "channels", "24 bits", "float", "mu-law"],
)
def test_ffmpeg_gets_the_headerless_audio_of_any_other_common_wav(
    data: bytes, samples: str, rate: int, channels: int
) -> None:
    choice = choose(data, "wav", MONO)
    assert choice is not None
    assert (choice.way, choice.offset, choice.data_bytes) == ("ffmpeg", 44, 96)
    assert (choice.samples, choice.found) == (samples, PcmFormat(rate, channels))


@pytest.mark.parametrize(
    "data",
    [
        wav(bytes(96), channels=6),
        wav(bytes(96), sample_bits=4, format_tag=2),
        extensible(pcm(9), speakers=0x8),
    ],
    ids=["surround", "adpcm", "another speaker"],
)
def test_ffmpeg_gets_an_uncommon_wav_unchanged(data: bytes) -> None:
    assert choose(data, "wav", MONO) == Choice("ffmpeg", "wav", data_bytes=len(data))


def test_ffmpeg_gets_a_wav_with_an_oversized_header_unchanged() -> None:
    data = wav(pcm(9), before=chunk(b"id3 ", bytes(300_000)))
    assert choose(data[:1000], "wav", MONO) is None
    assert choose(data[:299_000], "wav", MONO) == Choice("ffmpeg", "wav")


@pytest.mark.parametrize(
    ("declared", "samples"), [("pcm_f32le", "f32le"), ("mulaw", "mulaw"), ("alaw", "alaw")]
)
def test_declared_raw_encodings_have_the_rate_of_the_session(declared: str, samples: str) -> None:
    choice = choose(b"\1\2\3\4", declared, PcmFormat(8000, 2))  # type: ignore[arg-type]
    assert choice is not None
    assert (choice.samples, choice.found) == (samples, PcmFormat(8000, 2))


def test_raw_g722_has_16000_hz_in_mono_in_every_session() -> None:
    choice = choose(b"\1\2\3\4", "g722", PcmFormat(8000, 2))
    assert choice is not None
    assert (choice.samples, choice.found) == ("g722", PcmFormat(16000, 1))


def test_a_wav_without_a_format_chunk_is_an_error() -> None:
    with pytest.raises(DecodeError):
        choose(b"RIFF\0\0\0\0WAVEdata" + struct.pack("<I", 100), "wav", MONO)
