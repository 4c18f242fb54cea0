"""The framer of FLAC finds the end of every frame, and passes everything on but tags."""

import array
import functools
import itertools

import pytest

from api.audio.framing.flac import FlacFramer
from tests.api.audio.test_tags import TAGS
from tests.audio import cut, cut_anywhere, encode, encode_silence, pcm, speech, wav
from tests.framers import split

STREAMINFO_END = 42


@functools.cache
def encoded(name: str = "speech") -> bytes:
    match name:
        case "silence":
            return encode_silence(300, "-f", "flac")
        case "noise":
            noise = wav(pcm(20_000, channels=2), sample_rate=48000, channels=2)
            return encode(noise, "-f", "flac")
        case "24 bits":
            return encode(speech(), "-sample_fmt", "s32", "-f", "flac")
        case "large frames":
            return encode(speech(), "-frame_size", "32768", "-strict", "-2", "-f", "flac")
        case _:
            return encode(speech(), "-f", "flac")


NAMES = ["speech", "silence", "noise", "24 bits", "large frames"]


@pytest.mark.parametrize("name", NAMES)
def test_a_frame_is_passed_on_when_the_next_one_begins(name: str) -> None:
    framer, data = FlacFramer(), encoded(name)
    first = data.index(b"\xff\xf8")
    parts = [bytes(part) for piece in cut(data[:-1], 500) for part in framer.feed(piece) if part]
    last = b"".join(framer.finish())
    assert b"".join(parts) + last == data[:-1]
    # Every part after the metadata is one frame.
    frames = [part for part in parts if part.startswith(data[first : first + 2])]
    assert len(b"".join(frames)) + len(last) == len(data[first:-1])
    assert last.startswith(data[first : first + 2])


@pytest.mark.parametrize(("first", "second"), [*itertools.product(NAMES, NAMES)])
def test_flac_after_flac_is_a_new_file(first: str, second: str) -> None:
    """Also where the frames of the second file have the numbers that the first one would have."""
    data = encoded(first) + encoded(second)
    assert split(FlacFramer(), [data]) == (encoded(first), 0, encoded(second))


@pytest.mark.parametrize("seconds", [1, 2, 3, 10])
def test_a_file_of_the_same_silence_is_found(seconds: int) -> None:
    """The frames are so short that the next number of the first file is in the second one."""
    first = encode_silence(seconds, "-f", "flac")
    assert split(FlacFramer(), [first + encoded("silence")]) == (first, 0, encoded("silence"))


@pytest.mark.parametrize("container", ["ogg", "matroska"])
def test_flac_in_another_container_is_a_new_file(container: str) -> None:
    first, following = (
        encode_silence(1, "-f", "flac"),
        encode_silence(300, "-c:a", "flac", "-f", container),
    )
    assert split(FlacFramer(), [first + following]) == (first, 0, following)


def test_a_file_inside_the_audio_is_audio() -> None:
    """Noise is stored as it is, with the high byte first."""
    inside = b"fLaC\0\0\0\x22" + bytes(range(200))
    swapped = array.array("H", inside)
    swapped.byteswap()
    noise = pcm(3000) + swapped.tobytes() + pcm(3000, seed=1)
    data = encode(wav(noise), "-f", "flac")
    assert inside in data
    assert split(FlacFramer(), cut_anywhere(data, seed=1)) == (data, 0, None)


@pytest.mark.parametrize("name", TAGS)
def test_a_tag_behind_the_audio_is_no_damage(name: str) -> None:
    data = encoded() + TAGS[name]
    assert split(FlacFramer(), [data]) == (encoded(), 0, None)
    following = wav(pcm(10))
    assert split(FlacFramer(), [data + following]) == (encoded(), 0, following)


def test_damage_is_passed_on_because_ffmpeg_handles_it() -> None:
    data = bytearray(encoded())
    data[20_000:20_100] = bytes(100)
    data[50_000:90_000] = b"damage"
    for seed in range(5):
        assert split(FlacFramer(), cut_anywhere(bytes(data), seed=seed)) == (bytes(data), 0, None)


def test_a_file_after_damage_is_found() -> None:
    following = wav(pcm(10))
    damaged = encoded()[:20_000] + b"damage" * 10_000 + encoded()[21_000:]
    assert split(FlacFramer(), [damaged + following]) == (damaged, 0, following)


def test_a_large_picture_in_front_of_the_audio_is_passed_on_as_it_arrives() -> None:
    whole, size = encoded(), 2_000_000
    picture = b"\x06" + size.to_bytes(3, "big") + b"fLaC" * (size // 4)
    framer = FlacFramer()
    head = whole[:STREAMINFO_END].replace(b"fLaC\x80", b"fLaC\0") + picture
    assert b"".join(framer.feed(head[:-1])) == head[:-1]
    assert not framer.finds_files
    data = head + whole[STREAMINFO_END:]
    assert split(FlacFramer(), cut(data, 5000)) == (data, 0, None)


def test_a_stream_without_streaminfo_is_passed_on() -> None:
    frames = encoded()[8000:]
    assert split(FlacFramer(), cut(frames, 1000)) == (frames, 0, None)
