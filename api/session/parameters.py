"""The parameters of a new session: one check for HTTP and WebSocket."""

from collections.abc import Mapping
from typing import cast

import msgspec

from api.audio.formats import CHANNELS, INPUT_KINDS, SAMPLE_RATES, InputKind
from api.wire.errors import InvalidParameterError

_MAX_USER_ID_CHARACTERS = 256
_MAX_DIGITS = 9


class AudioParameters(msgspec.Struct, frozen=True):
    """Sample rate in Hz and channels of a recording, and the declared format of its input."""

    sample_rate: int
    channels: int
    format: InputKind


def audio_parameters(given: Mapping[str, object], defaults: AudioParameters) -> AudioParameters:
    """Return the parameters in ``given``, else the ``defaults``.

    Raises :class:`InvalidParameterError`.
    """
    return AudioParameters(
        sample_rate=_number(given, "sample_rate", SAMPLE_RATES, defaults.sample_rate),
        channels=_number(given, "channels", CHANNELS, defaults.channels),
        format=_format(given, defaults.format),
    )


def user_id(given: Mapping[str, object]) -> str | None:
    """Return the user id in ``given``; None if it is missing or empty.

    Raises :class:`InvalidParameterError` if it is too long or not printable text.
    """
    value = given.get("user_id")
    if value is None:
        return None
    if (
        not isinstance(value, str)
        or not value.isprintable()
        or len(value) > _MAX_USER_ID_CHARACTERS
    ):
        raise InvalidParameterError("user_id")
    return value or None


def _number(
    given: Mapping[str, object], parameter: str, valid: tuple[int, ...], default: int
) -> int:
    value = given.get(parameter)
    if value is None:
        return default
    # Query parameters are text. int() also accepts "+8000", "8_000" and " 8000"; this does not.
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS:
        value = int(value)
    if type(value) is not int or value not in valid:
        raise InvalidParameterError(parameter, valid)
    return value


def _format(given: Mapping[str, object], default: InputKind) -> InputKind:
    value = given.get("format")
    if value is None:
        return default
    if not isinstance(value, str) or value.lower() not in INPUT_KINDS:
        raise InvalidParameterError("format", INPUT_KINDS)
    return cast("InputKind", value.lower())
