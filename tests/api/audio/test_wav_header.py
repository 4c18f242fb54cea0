"""Parsing of WAV headers."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.audio.formats import DecodeError
from api.audio.wav_header import parse_header
from tests.audio import chunk, extensible, pcm, wav


def test_a_header_gives_the_format_and_the_place_of_the_audio() -> None:
    header = parse_header(wav(pcm(10), sample_rate=48000, channels=2))
    assert header is not None
    assert (header.samples, header.sample_rate, header.channels) == ("s16le", 48000, 2)
    assert (header.data_offset, header.data_bytes) == (44, 20)


@pytest.mark.parametrize("length", range(12, 44))
def test_a_truncated_header_needs_more_input(length: int) -> None:
    assert parse_header(wav(pcm(10))[:length]) is None


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_the_size_placeholders_of_streams_mean_unknown_length(size: int) -> None:
    header = parse_header(wav(pcm(10), data_bytes=size))
    assert header is not None
    assert header.data_bytes is None


def test_chunks_before_the_audio_are_skipped_with_their_padding() -> None:
    before = chunk(b"LIST", b"INFOodd") + chunk(b"bext", bytes(602))
    header = parse_header(wav(pcm(10), before=before))
    assert header is not None
    assert header.data_offset == 44 + len(before)


def test_the_size_of_rf64_is_in_its_ds64_chunk() -> None:
    ds64 = chunk(b"ds64", struct.pack("<QQQI", 0, 5 * 2**32, 0, 0))
    header = parse_header(b"RF64" + wav(b"", before=ds64, data_bytes=0xFFFFFFFF)[4:])
    assert header is not None
    assert header.data_bytes == 5 * 2**32


@pytest.mark.parametrize(("speakers", "valid_bits"), [(0, 16), (4, 0), (4, 16)])
def test_extensible_pcm_is_parsed_as_pcm(speakers: int, valid_bits: int) -> None:
    header = parse_header(extensible(pcm(2), speakers=speakers, valid_bits=valid_bits))
    assert header is not None
    assert header.samples == "s16le"


@pytest.mark.parametrize(
    ("sample_bits", "format_tag", "samples"),
    [
        (8, 1, "u8"), (16, 1, "s16le"), (24, 1, "s24le"), (32, 1, "s32le"),
        (32, 3, "f32le"), (64, 3, "f64le"), (8, 6, "alaw"), (8, 7, "mulaw"),
        (16, 3, None), (4, 2, None), (20, 1, None),
    ],
)  # fmt: skip
def test_sample_layouts_that_ffmpeg_reads_without_a_header_are_named(
    sample_bits: int, format_tag: int, samples: str | None
) -> None:
    header = parse_header(wav(bytes(48), sample_bits=sample_bits, format_tag=format_tag))
    assert header is not None
    assert header.samples == samples


@pytest.mark.parametrize(
    "data",
    [
        b"RIFF\0\0\0\0WAVE" + chunk(b"data", bytes(10)),
        b"RIFF\0\0\0\0WAVE" + chunk(b"fmt ", bytes(10)) + chunk(b"data", b""),
        wav(bytes(10), channels=0, sample_bits=16),
        wav(bytes(10), sample_rate=0),
    ],
    ids=["audio before its format", "a short format", "no channels", "no rate"],
)
def test_a_header_without_a_usable_format_is_an_error(data: bytes) -> None:
    with pytest.raises(DecodeError, match="WAV"):
        parse_header(data)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_header_or_an_error_or_need_more_input(rest: bytes) -> None:
    try:
        header = parse_header(b"RIFF\0\0\0\0WAVE" + rest)
    except DecodeError:
        return
    assert header is None or header.data_offset <= len(rest) + 12


@pytest.mark.parametrize(
    ("valid_bits", "sample_bits", "container_bits", "samples"),
    [(24, 32, 32, "s32le"), (20, 24, 24, "s24le"), (16, 24, 24, "s24le"), (24, 24, 32, "s32le"),
     (12, 16, 16, "s16le")],
)  # fmt: skip
@pytest.mark.parametrize(
    "tail", ["00000000001000800000aa00389b71", "0000002107d3118644c8c1ca000000"]
)
def test_samples_with_fewer_valid_bits_are_those_of_their_container(
    valid_bits: int, sample_bits: int, container_bits: int, samples: str, tail: str
) -> None:
    block = container_bits // 8
    fmt = struct.pack(
        "<HHIIHHHHI", 0xFFFE, 1, 44100, 44100 * block, block, sample_bits, 22, valid_bits, 4
    )
    data = b"RIFF\0\0\0\0WAVE" + chunk(b"fmt ", fmt + b"\x01" + bytes.fromhex(tail))
    header = parse_header(data + chunk(b"data", bytes(block)))
    assert header is not None
    assert header.samples == samples


@pytest.mark.parametrize(("bits", "block", "samples"), [(24, 4, "s32le"), (20, 3, "s24le")])
def test_a_plain_header_may_have_fewer_bits_than_the_block(
    bits: int, block: int, samples: str
) -> None:
    fmt = struct.pack("<HHIIHH", 1, 1, 44100, 44100 * block, block, bits)
    header = parse_header(b"RIFF\0\0\0\0WAVE" + chunk(b"fmt ", fmt) + chunk(b"data", bytes(block)))
    assert header is not None
    assert header.samples == samples


def test_a_header_with_a_million_chunks_is_an_error_at_once() -> None:
    with pytest.raises(DecodeError, match="chunks"):
        parse_header(b"RIFF\0\0\0\0WAVE" + chunk(b"JUNK", b"") * 1_000_000)
