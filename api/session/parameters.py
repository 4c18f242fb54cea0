"""The parameters of a session: one check for HTTP and WebSocket, for new and for changed values."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import cast

import msgspec
from msgspec import UNSET

from api.audio.formats import CHANNELS, INPUT_KINDS, SAMPLE_RATES, InputKind
from api.wire.errors import InvalidParameterError
from storage.details import DetailChanges, Details
from storage.timeline import MAX_LABEL_CHARACTERS

_MAX_USER_ID_CHARACTERS = 256
_MAX_DIGITS = 9
_METADATA_PREFIX = "metadata."
_MAX_METADATA_FILTERS = 16

MAX_TITLE_CHARACTERS = 200
MAX_METADATA_BYTES = 4096  # of its JSON in UTF-8

# Control characters, halves of surrogates, separators of lines and paragraphs.
_NO_TEXT = {"Cc", "Cs", "Zl", "Zp"}
_LINE_BREAKS = "\t\n\r"

# RFC 3339, section 5.6; Python parses more.
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


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


def details(given: Mapping[str, object]) -> Details:
    """Return the details of a new session in ``given``. Raises `InvalidParameterError`."""
    return detail_changes(given).apply_to(Details())


def metadata_in(query: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the metadata in a query: its parameters ``metadata.KEY``."""
    return {
        name.removeprefix(_METADATA_PREFIX): value
        for name, value in query
        if name.startswith(_METADATA_PREFIX)
    }


def detail_changes(given: Mapping[str, object]) -> DetailChanges:
    """Return the new values in ``given``; null or an empty title removes the old value.

    Raises :class:`InvalidParameterError`.
    """
    return DetailChanges(
        title=_title(given["title"]) if "title" in given else UNSET,
        metadata=_metadata(given["metadata"]) if "metadata" in given else UNSET,
        hold=_hold(given["hold"]) if "hold" in given else UNSET,
        expires_at=_expires_at(given["expires_at"]) if "expires_at" in given else UNSET,
    )


def mark_label(value: object) -> str:
    """Return the label of a mark: one line of text. Raises `InvalidParameterError`."""
    label = value.strip() if isinstance(value, str) else ""
    if not label or len(label) > MAX_LABEL_CHARACTERS or not _is_line(label):
        raise InvalidParameterError("label")
    return label


def search_text(value: str | None) -> str | None:
    """Return the text to search for; None if it is missing or empty.

    Raises :class:`InvalidParameterError`.
    """
    text = (value or "").strip()
    if len(text) > MAX_TITLE_CHARACTERS or not _is_line(text):
        raise InvalidParameterError("q")
    return text or None


def metadata_filter(query: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the values of metadata that sessions of a list have: the parameters ``metadata.KEY``.

    Raises :class:`InvalidParameterError`.
    """
    wanted = _metadata(metadata_in(query))
    if len(wanted) > _MAX_METADATA_FILTERS:
        raise InvalidParameterError("metadata")
    return wanted


def time_filter(parameter: str, value: str | None) -> datetime | None:
    """Return the time (ISO 8601); without an offset it is in UTC, without a time midnight.

    Raises :class:`InvalidParameterError`.
    """
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(value)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidParameterError(parameter) from error


def _title(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _is_line(value):
        raise InvalidParameterError("title")
    title = value.strip()
    if len(title) > MAX_TITLE_CHARACTERS:
        raise InvalidParameterError("title")
    return title or None


def _metadata(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(
        isinstance(key, str) and isinstance(text, str) and key and _is_line(key) and _is_text(text)
        for key, text in value.items()
    ):
        raise InvalidParameterError("metadata")
    if len(msgspec.json.encode(value)) > MAX_METADATA_BYTES:
        raise InvalidParameterError("metadata")
    return dict(value)


def _hold(value: object) -> bool:
    if value is not None and not isinstance(value, bool):
        raise InvalidParameterError("hold", ("true", "false"))
    return bool(value)


def _expires_at(value: object) -> datetime | None:
    """Return the time in UTC. Without an offset it is not valid (RFC 3339, section 5.6)."""
    if value is None:
        return None
    if not isinstance(value, str) or _TIME.fullmatch(value) is None:
        raise InvalidParameterError("expires_at")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidParameterError("expires_at") from error


def _is_line(text: str) -> bool:
    return not any(unicodedata.category(each) in _NO_TEXT for each in text)


def _is_text(text: str) -> bool:
    return _is_line("".join(each for each in text if each not in _LINE_BREAKS))


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
