"""The WebM framer passes every block of an undamaged file; damage costs the blocks it hits."""

import functools
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.audio.framing.webm import WebmFramer
from tests.audio import cut_anywhere, decode, encode, speech, wav
from tests.browser_recordings import RECORDINGS, read_recording
from tests.framers import framed

OPUS = ("-c:a", "libopus", "-b:a", "32k")
ENCODINGS: dict[str, tuple[str, ...]] = {
    "webm": (*OPUS, "-f", "webm"),
    "live webm": (*OPUS, "-f", "webm", "-live", "1", "-cluster_time_limit", "500"),
    "webm in one cluster": (*OPUS, "-f", "webm", "-live", "1", "-cluster_time_limit", "99999"),
    "vorbis": ("-c:a", "libvorbis", "-f", "webm", "-cluster_time_limit", "300"),
    "opus in mkv": (*OPUS, "-f", "matroska", "-write_crc32", "1", "-cluster_time_limit", "700"),
    "aac in mkv": ("-c:a", "aac", "-f", "matroska", "-live", "1"),
    "mp3 in mkv": ("-c:a", "libmp3lame", "-f", "matroska"),
    "flac in mkv": ("-c:a", "flac", "-f", "matroska", "-cluster_time_limit", "1000"),
    "pcm in mkv": ("-c:a", "pcm_s24le", "-f", "matroska", "-cluster_time_limit", "1000"),
    "more tracks": (
        "-map", "0:a", "-map", "0:a", *OPUS, "-f", "webm", "-metadata", "title=two tracks",
        "-cluster_time_limit", "500",
    ),
}  # fmt: skip
DAMAGED = ("live webm", "webm in one cluster", "vorbis", "aac in mkv", "mp3 in mkv", "flac in mkv")


@functools.cache
def encoded(name: str) -> bytes:
    """Return 14 seconds of encoded speech."""
    return encode(wav(speech()[44:] * 3, sample_rate=22050), *ENCODINGS[name])


def webm_framed(data: bytes, seed: int | None = None) -> tuple[bytes, int]:
    pieces = [data] if seed is None else cut_anywhere(data, seed=seed)
    return framed(WebmFramer(), pieces)


@pytest.mark.parametrize("name", ENCODINGS)
def test_an_undamaged_file_decodes_as_without_the_framer(name: str) -> None:
    passed, skipped_bytes = webm_framed(encoded(name))
    assert skipped_bytes == 0
    assert decode(passed, sample_rate=48000) == decode(encoded(name), sample_rate=48000)
    assert all(webm_framed(encoded(name), seed) == (passed, 0) for seed in range(3))


@pytest.mark.parametrize("name", [name for name in RECORDINGS if name.endswith(".webm")])
def test_recordings_of_browsers_decode_as_without_the_framer(name: str) -> None:
    passed, skipped_bytes = webm_framed(read_recording(name))
    assert skipped_bytes == 0
    assert decode(passed, sample_rate=48000) == decode(read_recording(name), sample_rate=48000)


@pytest.mark.parametrize("name", ["live webm", "opus in mkv"])
def test_a_truncated_end_decodes_as_without_the_framer(name: str) -> None:
    data = encoded(name)[:-1500]
    assert decode(webm_framed(data)[0], sample_rate=48000) == decode(data, sample_rate=48000)


def test_each_block_passes_as_soon_as_it_is_complete() -> None:
    data = encoded("live webm")
    start = data.index(b"\x1f\x43\xb6\x75", len(data) // 2)
    first = re.compile(rb"\xa3([\x40-\x7f].|[\x80-\xfe])\x81..\x80", re.DOTALL).search(data, start)
    assert first is not None
    size = int.from_bytes(first[1], "big") & (0x3FFF if len(first[1]) == 2 else 0x7F)
    end = first.end() - 4 + size
    framer = WebmFramer()
    passed = b"".join(framer.feed(data[:end]))
    assert passed.endswith(data[first.start() : end])
    assert b"".join(framer.feed(data[end : end + 5])) == b""


@pytest.mark.parametrize("name", DAMAGED)
@settings(max_examples=8)
@given(
    where=st.floats(0.1, 0.9),
    junk=st.binary(max_size=3000),
    lost_bytes=st.sampled_from([0, 1, 2, 777, 2000]),
)
def test_damage_costs_at_most_two_seconds_however_the_input_is_cut(
    name: str, where: float, junk: bytes, lost_bytes: int
) -> None:
    data = encoded(name)
    middle = int(len(data) * where)
    damaged = data[:middle] + junk + data[middle + lost_bytes :]
    passed, skipped_bytes = webm_framed(damaged)
    whole = decode(data, sample_rate=8000)
    assert len(decode(passed, sample_rate=8000)) >= len(whole) - 2 * 2 * 8000
    for seed in range(3):
        assert webm_framed(damaged, seed) == (passed, skipped_bytes)


@pytest.mark.parametrize("name", DAMAGED)
@settings(max_examples=10)
@given(place=st.floats(0.1, 0.9), value=st.integers(0, 255), offset=st.integers(0, 16))
def test_a_wrong_byte_in_a_header_costs_at_most_two_seconds(
    name: str, place: float, value: int, offset: int
) -> None:
    data = bytearray(encoded(name))
    track = re.compile(rb"\xa3(?:[\x40-\x7f].|[\x80-\xfe])\x81..\x80|\x1f\x43\xb6\x75", re.DOTALL)
    header = track.search(bytes(data), int(len(data) * place))
    if header is None:
        return
    data[header.start() + offset] = value
    whole = decode(encoded(name), sample_rate=8000)
    passed, skipped_bytes = webm_framed(bytes(data))
    assert len(decode(passed, sample_rate=8000)) >= len(whole) - 2 * 2 * 8000
    assert webm_framed(bytes(data), 1) == (passed, skipped_bytes)


def test_an_element_that_the_standard_does_not_define_is_skipped_by_its_size() -> None:
    data = encoded("live webm")
    cluster = data.index(b"\x1f\x43\xb6\x75", len(data) // 2)
    unknown = b"\x2a\x2b\x2c\x41\x00" + random.Random(1).randbytes(256)
    assert webm_framed(data[:cluster] + unknown + data[cluster:]) == webm_framed(data)


def test_a_file_in_an_attachment_is_not_taken_for_audio() -> None:
    data = encoded("live webm")
    cluster = data.index(b"\x1f\x43\xb6\x75")
    attachments = b"\x19\x41\xa4\x69\x10" + len(data).to_bytes(3, "big") + data
    assert webm_framed(data[:cluster] + attachments + data[cluster:]) == webm_framed(data)


@given(st.binary(max_size=3000), st.integers(0, 3))
def test_random_bytes_give_the_same_however_they_are_cut(junk: bytes, seed: int) -> None:
    assert webm_framed(junk, seed) == webm_framed(junk)
