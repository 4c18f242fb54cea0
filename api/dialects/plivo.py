"""Plivo audio streaming.

https://www.plivo.com/docs/voice-agents/audio-streaming. There is no `connected`. Timestamps are
Unix time in milliseconds. `extra_headers` is one text, ``name=value;…``.
"""

from typing import Any

from api.dialects import fields
from api.dialects.events import Begin
from api.dialects.media_stream import ANY_TRACK, MediaStream, tracks_of


class Plivo(MediaStream):
    name = "plivo"

    def __init__(self) -> None:
        super().__init__()
        self._first_ms: int | None = None

    def begin(self, message: dict[str, Any]) -> Begin:
        start = fields.object_at(message, "start")
        media_format = fields.object_at(start, "mediaFormat")
        codec = fields.text_at(media_format, "encoding") or "mulaw"
        return Begin(
            encoding=fields.encoding_of(codec, l16="l16?"),
            sample_rate=fields.sample_rate_of(fields.number_at(media_format, "sampleRate"), 8000),
            tracks=tracks_of(start.get("tracks")) or (ANY_TRACK,),
            call_id=fields.text_at(start, "callId"),
            stream_id=fields.text_at(start, "streamId") or fields.text_at(message, "streamId"),
            caller=fields.text_at(start, "from"),
            callee=fields.text_at(start, "to"),
            parameters=_extra_headers(message.get("extra_headers", start.get("extra_headers"))),
        )

    def time_ms(self, media: dict[str, Any]) -> int | None:
        time_ms = super().time_ms(media)
        if time_ms is None:
            return None
        if self._first_ms is None:
            self._first_ms = time_ms
        return time_ms - self._first_ms


def _extra_headers(value: object) -> dict[str, str]:
    """Return the parameters in ``value``: text ``name=value;…``, with or without braces."""
    if isinstance(value, dict):
        return fields.parameters(value)
    if not isinstance(value, str):
        return {}
    parsed = fields.parse(value)
    if parsed is not None:
        return fields.parameters(parsed)
    separator = ";" if ";" in value else ","
    pairs = (pair.partition("=") for pair in value.strip("{} ").split(separator))
    return fields.parameters({name.strip(): text.strip() for name, _, text in pairs})
