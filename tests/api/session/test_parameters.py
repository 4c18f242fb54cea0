"""The parameters of a new session, the same over HTTP and on a WebSocket."""

import pytest

from api.audio.formats import CHANNELS, INPUT_KINDS, SAMPLE_RATES
from api.session.parameters import AudioParameters, audio_parameters, user_id
from api.wire.errors import InvalidParameterError

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
