"""Fields of JSON messages of other makers: read leniently, whatever the types, and bounded."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from api.dialects.events import CallError, Encoding

# Half a second of 48 kHz stereo in base64. Parsing more could block the event loop for 10 ms.
MAX_TEXT_CHARACTERS = 128 * 1024

_MAX_VALUE_CHARACTERS = 256
_MAX_PARAMETERS = 64
_MAX_DIGITS = 18  # 64 bits

SAMPLE_RATES = (8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000)

# Without hyphens, and as words of their own: "adpcm" and "pcms24le" are other codecs.
_CODECS: tuple[tuple[Encoding, str], ...] = (
    ("mulaw", r"(?:pcm|g\.?711)?m?ulaw|pcmu|g\.?711u"),
    ("alaw", r"(?:pcm|g\.?711)?alaw|pcma|g\.?711a"),
    ("l16", r"l16|slin(?:16)?|(?:linear|l?pcm|raw)(?:s?16(?:le)?)?|s16le"),
)
_CODEC_PATTERNS = [
    (encoding, re.compile(rf"(?<![a-z0-9])x?(?:{names})(?![a-z0-9])"))
    for encoding, names in _CODECS
]
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def parse(text: str) -> dict[str, Any] | None:
    """Return the JSON object in ``text``; None if it is something else, or too long."""
    if len(text) > MAX_TEXT_CHARACTERS:
        return None
    try:
        message = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None
    return message if isinstance(message, dict) else None


def object_at(message: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the object in field ``name``; an empty one if there is none."""
    value = message.get(name)
    return value if isinstance(value, dict) else {}


def text_at(message: Mapping[str, Any], *names: str) -> str:
    """Return the text or number in the first of ``names`` that has one; "" if none has."""
    for name in names:
        if found := clean_text(message.get(name)):
            return found
    return ""


def clean_text(value: object) -> str:
    """Return a text, number or truth value as printable text of at most 256 characters."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < 10**_MAX_DIGITS):
        return str(value)
    if not isinstance(value, str):
        return ""
    return _CONTROL.sub(" ", value[:_MAX_VALUE_CHARACTERS]).strip()


def number_at(message: Mapping[str, Any], name: str) -> int | None:
    """Return the whole number in field ``name``, which may be text; None if there is none."""
    value = message.get(name)
    if isinstance(value, str):
        is_number = value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS
        return int(value) if is_number else None
    if isinstance(value, float) and abs(value) < 2**53:
        value = int(value)
    if type(value) is not int or not 0 <= value < 10**_MAX_DIGITS:
        return None
    return value


def parameters(
    values: Mapping[str, Any], *, without: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Return the texts in ``values`` by name, without the names in ``without``; at most 64."""
    found: dict[str, str] = {}
    for name, value in values.items():
        if len(found) == _MAX_PARAMETERS:
            break
        text = clean_text(value)
        if text and name not in without and (key := clean_text(name)):
            found[key] = text
    return found


def encoding_of(
    codec: str, *, l16: Encoding = "l16", offered: str = "PCMU, PCMA or L16"
) -> Encoding:
    """Return the encoding that a platform calls ``codec``; ``l16`` for 16-bit PCM.

    Raises `CallError` for other codecs, with the name, and what is ``offered`` in the terms of the
    platform. Decision 61 says why Opus and AMR-WB are not, and G.722 from Asterisk only.
    """
    name = codec.lower().replace("-", "").replace("_", "")
    for encoding, pattern in _CODEC_PATTERNS:
        if pattern.search(name):
            return l16 if encoding == "l16" else encoding
    raise CallError(f"codec {codec[:40]!r} is not offered: choose {offered}")


def sample_rate_of(rate: int | None, default: int) -> int:
    """Return ``rate`` in Hz, or the default if it is None. Raises `CallError` for other rates."""
    rate = default if rate is None else rate
    if rate not in SAMPLE_RATES:
        raise CallError(
            f"{rate} Hz is not offered: choose one of {', '.join(map(str, SAMPLE_RATES))}"
        )
    return rate
