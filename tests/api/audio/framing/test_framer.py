"""Framers pass undamaged input unchanged; damage costs at most two seconds of audio."""

import functools
import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.audio.framing.adts import AdtsFramer
from api.audio.framing.framer import Framer
from api.audio.framing.mp4 import Mp4Framer
from api.audio.framing.ogg import OggFramer
from tests.audio import cut_anywhere, encode, speech, wav
from tests.framers import framed

FRAMERS: dict[str, tuple[type[AdtsFramer | Mp4Framer], tuple[str, ...]]] = {
    "aac": (AdtsFramer, ("-c:a", "aac", "-f", "adts")),
    "mp4": (
        Mp4Framer,
        ("-c:a", "aac", "-movflags", "frag_keyframe+empty_moov+default_base_moof",
         "-frag_duration", "500000", "-f", "mp4"),
    ),
}  # fmt: skip


BYTES_PER_SECOND = 9000  # the rate of the encoded speech, rounded down


@functools.cache
def encoded(kind: str) -> bytes:
    """Return nearly half a minute of encoded speech."""
    return encode(wav(speech()[44:] * 6, sample_rate=22050), *FRAMERS[kind][1])


def passed(framer: Framer, data: bytes, seed: int) -> bytes:
    return framed(framer, cut_anywhere(data, seed=seed))[0]


@pytest.mark.parametrize("kind", FRAMERS)
@pytest.mark.parametrize("seed", range(5))
def test_a_framer_passes_undamaged_input_unchanged(kind: str, seed: int) -> None:
    framer = FRAMERS[kind][0]()
    assert passed(framer, encoded(kind), seed) == encoded(kind)
    assert framer.skipped_bytes == 0


@pytest.mark.parametrize("kind", FRAMERS)
def test_a_framer_passes_a_truncated_end_unchanged(kind: str) -> None:
    assert passed(FRAMERS[kind][0](), encoded(kind)[:-300], 1) == encoded(kind)[:-300]


@pytest.mark.parametrize("kind", FRAMERS)
@settings(max_examples=100)
@given(
    where=st.floats(0.1, 0.9),
    junk=st.binary(max_size=5000),
    lost_bytes=st.sampled_from([0, 1, 777, 2000]),
)
def test_damage_in_the_middle_costs_at_most_two_seconds(
    kind: str, where: float, junk: bytes, lost_bytes: int
) -> None:
    data = encoded(kind)
    middle = int(len(data) * where)
    damaged = data[:middle] + junk + data[middle + lost_bytes :]
    found = passed(FRAMERS[kind][0](), damaged, 1)
    assert len(found) >= len(data) - 2 * BYTES_PER_SECOND
    assert found.endswith(data[-len(data) // 50 :])


@given(st.binary(max_size=3000))
@pytest.mark.parametrize("kind", FRAMERS)
def test_a_framer_accepts_random_bytes_without_an_error(kind: str, junk: bytes) -> None:
    passed(FRAMERS[kind][0](), junk, 1)


def adts_segments() -> list[bytes]:
    """Return about ten ADTS streams that follow each other."""
    data = encoded("aac")
    starts = [found.start() for found in re.finditer(rb"\xff\xf1\x5c\x40", data)][::60]
    return [data[start:end] for start, end in itertools.pairwise([*starts, len(data)])]


def test_a_tag_in_front_of_each_adts_segment_is_no_damage() -> None:
    tag = b"ID3\x04\0\0\0\0\0\x49PRIV" + bytes(69)
    data = b"".join(tag + segment for segment in adts_segments())
    assert len(data) > len(encoded("aac")) + 5 * len(tag)
    for seed in range(3):
        assert framed(AdtsFramer(), cut_anywhere(data, seed=seed)) == (encoded("aac"), 0)


LYRICS = b"LYRICSBEGININD0000200LYR00005hello000033LYRICS200"
TAGS = {
    "ID3v1": b"TAG" + bytes(125),
    "APEv2": b"APETAGEX\xd0\x07\0\0\x20\0\0\0\0\0\0\0\0\0\0\xa0" + bytes(8) + bytes(32),
    "Lyrics3 and ID3v1": LYRICS + b"TAG" + bytes(125),
    "Lyrics3 1.0": b"LYRICSBEGINhello LYRICSEND" + b"TAG" + bytes(125),
    "ID3v2": b"ID3\x04\0\0\0\0\1\0" + bytes(128),
}


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("kind", ["aac", "ogg"])
def test_a_tag_behind_the_audio_is_no_damage(tag: str, kind: str) -> None:
    framer = {"aac": AdtsFramer, "ogg": OggFramer}[kind]
    data = encoded("aac") if kind == "aac" else encode(speech(), "-c:a", "libvorbis", "-f", "ogg")
    for seed in range(3):
        assert framed(framer(), cut_anywhere(data + TAGS[tag], seed=seed)) == (data, 0)
