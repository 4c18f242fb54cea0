"""A few broken files of each kind, always the same ones: ``python -m tests.fuzz`` makes more."""

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

REPEATABLE = settings(derandomize=True, deadline=None, database=None)


@pytest.mark.parametrize("name", PROPERTIES)
@pytest.mark.parametrize("seed", seeds())
def test_real_files_hold_what_is_asked_of_broken_ones(name: str, seed: str) -> None:
    for number in range(5):
        PROPERTIES[name](seeds()[seed], Random(number))


@pytest.mark.parametrize("declared", ["wav", "mp3", "aac", "mulaw"])
@pytest.mark.parametrize("seed", seeds())
def test_a_real_file_is_the_same_wherever_its_first_chunk_ends(
    seed: str, declared: InputKind
) -> None:
    data = seeds()[seed]
    assert_stable([detect(data[:length], declared) for length in range(min(len(data), 1000) + 1)])


@pytest.mark.parametrize("name", PROPERTIES)
@settings(REPEATABLE, max_examples=300)
@given(st.sampled_from(sorted(seeds())), st.integers(0, 2**32))
def test_whatever_is_wrong_with_a_file_there_is_one_answer_in_time(
    name: str, seed: str, number: int
) -> None:
    random = Random(number)
    PROPERTIES[name](mutate(seeds()[seed], random, list(seeds().values())), random)


@settings(REPEATABLE, max_examples=30)
@given(st.integers(0, 2**32))
def test_whatever_is_odd_about_a_wav_its_audio_is_what_ffmpeg_finds(number: int) -> None:
    random = Random(number)
    check_against_ffmpeg(random_wav(random), random)
