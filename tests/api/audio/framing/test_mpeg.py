"""The framer of MPEG audio passes everything on but tags, as it arrives."""

import functools

import pytest

from api.audio.framing.mpeg import MpegFramer
from tests.api.audio.test_tags import TAGS
from tests.audio import cut, cut_anywhere, decode, encode, speech, wav
from tests.framers import split

OPTIONS = {
    "constant rate": ("-b:a", "64k"),
    "variable rate": ("-q:a", "5"),
    "MPEG-2.5": ("-ar", "11025"),
    "layer II": ("-c:a", "mp2", "-ar", "48000", "-f", "mp2"),
}


@functools.cache
def encoded(name: str = "constant rate") -> bytes:
    options = OPTIONS[name]
    return encode(speech(), "-f", "mp3", "-id3v2_version", "0", *options)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_file_is_passed_on_unchanged_and_as_it_arrives(name: str) -> None:
    framer, data, passed_bytes = MpegFramer(), encoded(name), 0
    for number, piece in enumerate(cut(data, 700), 1):
        passed_bytes += sum(len(part) for part in framer.feed(piece))
        assert passed_bytes > min(700 * number, len(data)) - 4  # a frame header
    assert passed_bytes == len(data)


def test_damage_is_passed_on_because_ffmpeg_handles_it() -> None:
    data = bytearray(encoded())
    data[5000:5100] = b"damage" * 20
    for seed in range(5):
        assert split(MpegFramer(), cut_anywhere(bytes(data), seed=seed)) == (bytes(data), 0, None)


def test_a_file_after_damage_is_found() -> None:
    damaged = encoded()[:5000] + b"\xff\xfb junk" + encoded()[6000:]
    following = wav(b"\0\0")
    assert split(MpegFramer(), [damaged + following]) == (damaged, 0, following)


@pytest.mark.parametrize("name", TAGS)
def test_a_tag_is_no_damage_and_costs_no_frame(name: str) -> None:
    data = encoded() + TAGS[name] + encoded()
    expected = (encoded() * 2, 0, None)
    assert split(MpegFramer(), [data]) == expected
    assert split(MpegFramer(), cut_anywhere(data, seed=1)) == expected


def test_a_free_format_is_passed_on_and_no_new_file_is_found_in_it() -> None:
    """The frames have no length, so what looks like a file may be audio."""
    frame = b"\xff\xfb\x00\xc4" + b"audio" * 50
    data = frame * 40 + wav(b"\0\0")
    framer = MpegFramer()
    assert b"".join(framer.feed(data)) + b"".join(framer.finish()) == data
    assert not framer.finds_files


def test_a_file_may_have_been_cut_off_in_a_frame() -> None:
    framer = MpegFramer()
    list(framer.feed(encoded()[:1000]))
    assert not framer.finds_files


def test_what_is_passed_on_decodes_like_the_file() -> None:
    data = encoded("variable rate")
    passed = split(MpegFramer(), cut_anywhere(data, seed=2))[0]
    assert decode(passed, sample_rate=22050) == decode(data, sample_rate=22050)
