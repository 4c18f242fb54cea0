"""Asterisk's channel driver chan_websocket (20.16, 21.11, 22.6, 23.0 and later).

https://docs.asterisk.org/Configuration/Channel-Drivers/WebSocket/. The first text is MEDIA_START
with ``key:value`` pairs, or the same as JSON; audio is binary and mono. Asterisk takes every text
for a command. Variables of ``v()`` may be those of another call, so the channel identifies it.
"""

import re
from collections.abc import Mapping
from typing import Any

from api.dialects import fields
from api.dialects.binary_stream import BinaryStream
from api.dialects.events import Begin, CallError, Dtmf, Encoding, Event, Malformed, Mark

# https://docs.asterisk.org/Configuration/Codec-Opus/ and main/codec_builtin.c
_SLIN = re.compile(r"slin(\d*)\Z")
_RATES = {"": 8000, "12": 12000, "16": 16000, "24": 24000, "32": 32000, "44": 44100, "48": 48000}
_RATES |= {"96": 96000, "192": 192000}

_OFFERED = "ulaw, alaw, g722 or slin16"


class Asterisk(BinaryStream):
    def __init__(self, query: Mapping[str, str]) -> None:
        super().__init__("asterisk", query)

    def receive_text(self, text: str) -> list[Event]:
        message = fields.parse(text) if text.lstrip()[:1] == "{" else _pairs(text)
        if message is None:
            return [Malformed("a text that is no JSON object")]
        event = message.get("event")
        if event == "MEDIA_START":
            if self.began is not None:
                return [Malformed("a second MEDIA_START")]
            return self.release(self._begin(message))
        if self.began is None:
            return []
        if event == "DTMF_END":
            return [Dtmf(fields.text_at(message, "digit"))]
        if event == "MEDIA_MARK_PROCESSED":
            return [Mark(fields.text_at(message, "correlation_id", "data"))]
        return []

    def begin_by_query(self, *, default_rate: int | None = None, default_width: int = 1) -> Begin:
        name = fields.text_at(self.query, "format")
        if name and fields.number_at(self.query, "sample_rate") is None:
            _, default_rate = _format(name)
        return super().begin_by_query(default_rate=default_rate, default_width=default_width)

    def encoding_by_query(self, default: Encoding) -> Encoding:
        name = fields.text_at(self.query, "format")
        return "g722" if name == "g722" else super().encoding_by_query(default)

    def _begin(self, message: dict[str, Any]) -> Begin:
        encoding, sample_rate = _format(fields.text_at(message, "format"))
        parameters = self.query_parameters()
        parameters |= fields.parameters(fields.object_at(message, "channel_variables"))
        if channel := fields.text_at(message, "channel"):
            parameters.setdefault("channel", channel)
        return Begin(
            encoding=encoding,
            sample_rate=fields.sample_rate_of(sample_rate, sample_rate),
            call_id=fields.text_at(message, "channel_id", "channel"),
            stream_id=fields.text_at(message, "connection_id"),
            caller=fields.text_at(self.query, "from"),
            callee=fields.text_at(self.query, "to"),
            parameters=parameters,
        )


def _format(name: str) -> tuple[Encoding, int]:
    """Return the encoding and the rate of Asterisk's format ``name``. Raises `CallError`."""
    if match := _SLIN.match(name):
        if match[1] not in _RATES:
            raise CallError(f"codec {name[:40]!r} is not offered: choose {_OFFERED}")
        return "l16", _RATES[match[1]]
    if name == "g722":
        return "g722", 16000
    return fields.encoding_of(name, offered=_OFFERED), 8000


def _pairs(text: str) -> dict[str, Any] | None:
    """Return the pairs of a text such as ``MEDIA_START connection_id:abc format:ulaw``."""
    if len(text) > fields.MAX_TEXT_CHARACTERS:
        return None
    event, *words = text.split()[:100] or [""]
    pairs: dict[str, Any] = {"event": event}
    for word in words:
        name, separator, value = word.partition(":")
        if separator:
            pairs.setdefault(name, value)
    return pairs
