"""Framers pass undamaged input unchanged; damage costs at most two seconds of audio."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.audio.framing.adts import AdtsFramer
from api.audio.framing.framer import Framer
from api.audio.framing.mp4 import Mp4Framer
from tests.audio import cut_anywhere, decode, encode, speech, wav

FRAMERS: dict[str, tuple[type[AdtsFramer | Mp4Framer], tuple[str, ...]]] = {
    "aac": (AdtsFramer, ("-c:a", "aac", "-f", "adts")),
    "mp4": (
        Mp4Framer,
        ("-c:a", "aac", "-movflags", "frag_keyframe+empty_moov+default_base_moof",
         "-frag_duration", "500000", "-f", "mp4"),
    ),
}  # fmt: skip


@functools.cache
def encoded(kind: str) -> bytes:
    """Return nearly half a minute of encoded speech."""
    return encode(wav(speech()[44:] * 6, sample_rate=22050), *FRAMERS[kind][1])


def framed(framer: Framer, data: bytes, seed: int) -> bytes:
    out = [framer.feed(piece) for piece in cut_anywhere(data, seed=seed)]
    return b"".join(out) + framer.finish()


@pytest.mark.parametrize("kind", FRAMERS)
@pytest.mark.parametrize("seed", range(5))
def test_a_framer_passes_undamaged_input_unchanged(kind: str, seed: int) -> None:
    framer = FRAMERS[kind][0]()
    assert framed(framer, encoded(kind), seed) == encoded(kind)
    assert framer.skipped_bytes == 0


@pytest.mark.parametrize("kind", FRAMERS)
def test_a_framer_passes_a_truncated_end_unchanged(kind: str) -> None:
    assert framed(FRAMERS[kind][0](), encoded(kind)[:-300], 1) == encoded(kind)[:-300]


@pytest.mark.parametrize("kind", FRAMERS)
@settings(deadline=None, max_examples=20)
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
    found = decode(framed(FRAMERS[kind][0](), damaged, 1), sample_rate=22050)
    whole = decode(data, sample_rate=22050)
    assert len(whole) - 2 * 2 * 22050 <= len(found)
    # Not bit-exact: AAC fills gaps in the spectrum with noise that depends on earlier frames.
    last_second = np.array([np.frombuffer(data[-44100:], "<i2") for data in (found, whole)])
    assert np.corrcoef(last_second)[0, 1] > 0.99


@given(st.binary(max_size=3000))
@pytest.mark.parametrize("kind", FRAMERS)
def test_a_framer_accepts_random_bytes_without_an_error(kind: str, junk: bytes) -> None:
    framed(FRAMERS[kind][0](), junk, 1)
