"""Fields of hostile messages are read, whatever their types, and are bounded."""

import pytest

from api.dialects import fields
from api.dialects.events import CallError


@pytest.mark.parametrize(
    "text", ["", "[" * 100_000, '{"a":' * 100_000, "7", "null", '"x"', '{"a": 1' + " " * 300_000]
)
def test_what_is_no_object_or_too_long_is_none(text: str) -> None:
    assert fields.parse(text) is None


def test_texts_are_printable_and_bounded() -> None:
    assert fields.clean_text("a\x00b\nc\ud800" + "d" * 9000) == "a b c " + "d" * 250
    values: list[object] = [7, True, 1.5, None, [], {}]
    assert list(map(fields.clean_text, values)) == ["7", "true", "1.5", "", "", ""]


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("0012", 12),
        (7, 7),
        (7.0, 7),
        ("-1", None),
        (-1, None),
        ("9" * 4000, None),
        (10**30, None),
        ("٣", None),
        (True, None),
        ([], None),
        (float("inf"), None),
        (float("nan"), None),
    ],
)
def test_numbers_may_be_text(value: object, number: int | None) -> None:
    assert fields.number_at({"n": value}, "n") == number


def test_parameters_are_flat_and_bounded() -> None:
    given = {f"key {n}": "x" * 1000 for n in range(1000)} | {"deep": {"a": 1}}
    found = fields.parameters(given)
    assert len(found) == 64
    assert set(map(len, found.values())) == {256}


@pytest.mark.parametrize(
    ("codec", "encoding"),
    [
        ("audio/x-mulaw", "mulaw"),
        ("PCMU", "mulaw"),
        ("ulaw", "mulaw"),
        ("PCMA", "alaw"),
        ("audio/x-l16", "l16"),
        ("L16", "l16"),
        ("slin16", "l16"),
        ("pcm_s16le", "l16"),
        ("G.711 u-law", "mulaw"),
        ("g711_alaw", "alaw"),
        ("pcm_mulaw", "mulaw"),
        ("audio/l16;rate=8000", "l16"),
        ("L16@24000h", "l16"),
        ("linear16", "l16"),
        ("raw/slin", "l16"),
        ("audio/x-raw", "l16"),
    ],
)
def test_codecs_have_many_names(codec: str, encoding: str) -> None:
    assert fields.encoding_of(codec) == encoding


@pytest.mark.parametrize(
    "codec",
    ["adpcm", "g726", "pcm_s24le", "pcm_s16be", "pcm_f32le", "linear32", "L24", "G722", "opus", ""],
)
def test_a_codec_with_a_similar_name_is_refused_by_its_own(codec: str) -> None:
    with pytest.raises(CallError, match=f"codec '{codec}' is not offered"):
        fields.encoding_of(codec)


def test_a_rate_that_is_not_offered_is_refused_with_those_that_are() -> None:
    assert fields.sample_rate_of(None, 8000) == 8000
    with pytest.raises(CallError, match="24000, 32000"):
        fields.sample_rate_of(11025, 8000)
