"""The parameters of a new session, the same over HTTP and on a WebSocket."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import UNSET

from api.audio.formats import CHANNELS, INPUT_KINDS, SAMPLE_RATES
from api.session.parameters import (
    AudioParameters,
    audio_parameters,
    detail_changes,
    details,
    metadata_in,
    user_id,
)
from api.wire.errors import InvalidParameterError
from storage.details import DetailChanges, Details

DEFAULTS = AudioParameters(16000, 2, "flac")


def test_omitted_parameters_have_the_configured_defaults() -> None:
    assert audio_parameters({}, DEFAULTS) == DEFAULTS


@pytest.mark.parametrize("sample_rate", SAMPLE_RATES)
@pytest.mark.parametrize("channels", CHANNELS)
def test_numbers_may_be_given_as_text(sample_rate: int, channels: int) -> None:
    expected = AudioParameters(sample_rate, channels, "wav")
    given: dict[str, object] = {"sample_rate": sample_rate, "channels": channels, "format": "wav"}
    assert audio_parameters(given, DEFAULTS) == expected
    assert audio_parameters({key: str(value) for key, value in given.items()}, DEFAULTS) == expected


@pytest.mark.parametrize("input_format", INPUT_KINDS)
def test_format_names_are_case_insensitive(input_format: str) -> None:
    assert audio_parameters({"format": input_format.upper()}, DEFAULTS).format == input_format


@pytest.mark.parametrize(
    ("parameter", "value", "valid"),
    [
        *(
            ("sample_rate", value, SAMPLE_RATES)
            for value in ("1", "", "+8000", "\uff18000", 8000.0, True)
        ),
        *(("channels", value, CHANNELS) for value in ("3", "one", 0, None.__class__)),
        *(("format", value, INPUT_KINDS) for value in ("", "exe", 5)),
    ],
)
def test_invalid_values_are_refused_with_the_valid_ones(
    parameter: str, value: object, valid: tuple[object, ...]
) -> None:
    with pytest.raises(InvalidParameterError) as refused:
        audio_parameters({parameter: value}, DEFAULTS)
    assert refused.value.parameter == parameter
    assert refused.value.valid_values == valid
    assert str(refused.value) == f"Invalid {parameter.replace('_', ' ')}"


def test_a_user_id_is_short_printable_text_or_none() -> None:
    assert user_id({}) is None
    assert user_id({"user_id": ""}) is None
    assert user_id({"user_id": "Zoë 1"}) == "Zoë 1"
    for bad in ("x" * 257, "a\nb", 5):
        with pytest.raises(InvalidParameterError):
            user_id({"user_id": bad})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, Details()),
        ({"title": None, "metadata": None}, Details()),
        ({"title": "  "}, Details()),
        ({"title": " Zoë und 👩\u200d🚀 "}, Details(title="Zoë und 👩\u200d🚀")),
        ({"title": "x" * 200}, Details(title="x" * 200)),
        ({"metadata": {"a b": "two\nlines"}}, Details(metadata={"a b": "two\nlines"})),
        ({"metadata": {"k": "x" * 4088}}, Details(metadata={"k": "x" * 4088})),
    ],
    ids=["omitted", "null", "empty", "joined", "longest", "lines", "largest"],
)
def test_details_are_text_of_a_limited_length(given: dict[str, Any], expected: Details) -> None:
    assert details(given) == expected


@pytest.mark.parametrize("title", ["x" * 201, "a\nb", "a\x00b", "a\u2028b", "\ud800", 5, ["a"]])
def test_a_title_that_is_too_long_or_no_line_of_text_is_refused(title: object) -> None:
    with pytest.raises(InvalidParameterError, match="Invalid title"):
        details({"title": title})


@pytest.mark.parametrize(
    "metadata",
    [
        {"k": "x" * 4089},
        {"k": "\u00e9" * 2045},
        {"": "a"},
        {"a\nb": "a"},
        {"a": "\x00"},
        {"a": "\ud800"},
        {"a": 5},
        {"a": {"b": "c"}},
        {"a": None},
        ["a"],
        "a",
    ],
    ids=["long", "bytes", "no key", "key", "nul", "surrogate", "number", "deep", "null", "list",
         "text"],
)  # fmt: skip
def test_metadata_that_is_too_large_or_not_flat_is_refused(metadata: object) -> None:
    with pytest.raises(InvalidParameterError, match="Invalid metadata"):
        details({"metadata": metadata})


def test_a_change_has_the_values_that_are_given_and_no_others() -> None:
    assert detail_changes({}) == DetailChanges()
    assert detail_changes({"title": None}) == DetailChanges(title=None, metadata=UNSET)
    assert detail_changes({"metadata": {}}) == DetailChanges(metadata={})


def test_metadata_in_a_query_are_the_parameters_with_their_prefix() -> None:
    query = [("metadata.project", "radio"), ("metadata.a.b", "c"), ("metadata", "x"), ("q", "y")]
    assert metadata_in(query) == {"project": "radio", "a.b": "c"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-01-02T03:04:05Z", datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2030-01-02t03:04:05.25z", datetime(2030, 1, 2, 3, 4, 5, 250_000, tzinfo=UTC)),
        ("2030-01-02 03:04:05+02:00", datetime(2030, 1, 2, 1, 4, 5, tzinfo=UTC)),
    ],
)
def test_a_time_of_expiry_is_one_of_rfc_3339(text: str, expected: datetime) -> None:
    assert detail_changes({"expires_at": text}).expires_at == expected


@pytest.mark.parametrize(
    "value",
    [
        "2030-01-02T03:04:05", "2030-01-02", "20300102T030405Z", "2030-W01-1T00:00:00Z", "",
        "2030-13-01T00:00:00Z", "2030-01-01T25:00:00Z", "0001-01-01T00:00:00+23:59", 1893456000,
        "9999-12-31T23:59:59-23:59", "2030-01-02T03:04:05Z\n", True,
    ],
)  # fmt: skip
def test_another_time_is_refused(value: object) -> None:
    with pytest.raises(InvalidParameterError):
        detail_changes({"expires_at": value})
