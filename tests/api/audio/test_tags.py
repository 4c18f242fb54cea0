"""The length of a tag is that of its header, whatever its content is."""

import pytest

from api.audio.tags import tag_bytes

LYRICS = b"LYRICSBEGININD0000200LYR00005hello000033LYRICS200"
TAGS = {
    "ID3v1": b"TAG" + bytes(125),
    "ID3v2": b"ID3\x04\0\0\0\0\1\0" + bytes(128),  # seven bits of the size in each byte
    "ID3v2 with a footer": b"ID3\x04\0\x10\0\0\0\5" + bytes(5 + 10),
    "APEv2 with a header": b"APETAGEX\xd0\x07\0\0\x28\0\0\0\0\0\0\0\0\0\0\xa0" + bytes(8 + 40),
    "APEv2 footer": b"APETAGEX\xd0\x07\0\0\x20\0\0\0\0\0\0\0\0\0\0\x80" + bytes(8),
    "Lyrics3 2.00": LYRICS,
    "Lyrics3 1.0": b"LYRICSBEGINhello LYRICSEND",
}


@pytest.mark.parametrize("name", TAGS)
def test_a_tag_has_the_length_that_its_header_states(name: str) -> None:
    tag = TAGS[name]
    assert tag_bytes(tag + b"audio and more of it") == len(tag)


@pytest.mark.parametrize("name", TAGS)
def test_the_first_bytes_of_a_tag_are_not_taken_for_audio(name: str) -> None:
    assert all(tag_bytes(TAGS[name][:length]) in {None, len(TAGS[name])} for length in range(10))


@pytest.mark.parametrize(
    "data", [b"\xff\xfb\x90\0", b"OggS", b"ID3\x09\0\0\0\0\1\0", b"ID3\x04\0\0\0\0\x80\0", b"TAIL"]
)
def test_other_bytes_are_no_tag(data: bytes) -> None:
    assert tag_bytes(data + bytes(100)) == 0


def test_the_search_for_the_end_of_old_lyrics_is_bounded() -> None:
    assert tag_bytes(b"LYRICSBEGIN" + b"a " * 10_000) == 0
