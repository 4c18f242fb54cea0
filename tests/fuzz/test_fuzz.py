"""A few fixed examples of each property; ``python -m tests.fuzz`` runs more."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.audio.detection import detect
from api.audio.formats import InputKind
from tests.fuzz.mutations import mutate
from tests.fuzz.properties import PROPERTIES, assert_stable
from tests.fuzz.random_wav import check_against_ffmpeg, random_wav
from tests.fuzz.seeds import seeds

pytestmark = pytest.mark.long

REPEATABLE = settings(derandomize=True, deadline=None, database=None)


@pytest.mark.parametrize("name", PROPERTIES)
@pytest.mark.parametrize("seed", seeds())
def test_undamaged_files_satisfy_every_property(name: str, seed: str) -> None:
    for number in range(5):
        PROPERTIES[name](seeds()[seed], Random(number))


@pytest.mark.parametrize("declared", ["wav", "mp3", "aac", "mulaw"])
@pytest.mark.parametrize("seed", seeds())
def test_detection_does_not_depend_on_the_end_of_the_first_chunk(
    seed: str, declared: InputKind
) -> None:
    data = seeds()[seed]
    assert_stable([detect(data[:length], declared) for length in range(min(len(data), 1000) + 1)])


@pytest.mark.parametrize("name", PROPERTIES)
@settings(REPEATABLE, max_examples=300)
@given(st.sampled_from(sorted(seeds())), st.integers(0, 2**32))
def test_damaged_files_satisfy_every_property(name: str, seed: str, number: int) -> None:
    random = Random(number)
    PROPERTIES[name](mutate(seeds()[seed], random, list(seeds().values())), random)


@settings(REPEATABLE, max_examples=30)
@given(st.integers(0, 2**32))
def test_an_unusual_wav_is_decoded_like_ffmpeg_decodes_it(number: int) -> None:
    random = Random(number)
    check_against_ffmpeg(random_wav(random), random)
