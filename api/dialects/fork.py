"""FreeSWITCH's mod_audio_fork, jambonz and mod_audio_stream: 16-bit PCM with optional metadata.

The first text is the metadata that the application has given: JSON, or any text, cut at 8,192 bytes
(https://github.com/drachtio/drachtio-freeswitch-modules). jambonz always sends JSON with the rate
(https://docs.jambonz.org/verbs/verbs/listen). If the metadata lacks the rate, the URL says it.
"""

from typing import Any

from api.dialects import fields
from api.dialects.binary_stream import BinaryStream, width_of
from api.dialects.events import Begin, Dtmf, End, Event, Mark

_OWN = frozenset(
    {"sampleRate", "sample_rate", "mixType", "channels", "callSid", "call_id", "uuid", "from", "to"}
    | {"sessionId", "format", "caller", "callee"}
)
_DEFAULT_RATE = 8000


class Fork(BinaryStream):
    """A stream of one of the three; ``name`` is the dialect."""

    def receive_text(self, text: str) -> list[Event]:
        message = fields.parse(text) or {}
        if message.get("event") == "dtmf":
            digit = fields.text_at(message, "dtmf", "digit")
            return [] if self.began is None else [Dtmf(digit)]
        if self.began is None:
            return self.release(self._begin(message, text))
        return [Mark(fields.clean_text(text))]

    def receive_bytes(self, data: bytes) -> list[Event]:
        if not data and self.began is not None:  # a graceful shutdown of mod_audio_fork
            return [End()]
        return super().receive_bytes(data)

    def _begin(self, message: dict[str, Any], text: str) -> Begin:
        rate = fields.number_at(message, "sampleRate") or fields.number_at(message, "sample_rate")
        rate = rate or fields.number_at(self.query, "sample_rate") or _DEFAULT_RATE
        parameters = self.query_parameters() | fields.parameters(message, without=_OWN)
        if not message and (words := fields.clean_text(text)):
            parameters["text"] = words
        return Begin(
            encoding=self.encoding_by_query("l16"),
            sample_rate=fields.sample_rate_of(rate, rate),
            width=self._width(message),
            call_id=fields.text_at(message, "callSid", "call_id", "uuid")
            or fields.text_at(self.query, "call_id"),
            stream_id=fields.text_at(message, "sessionId"),
            caller=fields.text_at(message, "from", "caller") or fields.text_at(self.query, "from"),
            callee=fields.text_at(message, "to", "callee") or fields.text_at(self.query, "to"),
            parameters=parameters,
        )

    def _width(self, message: dict[str, Any]) -> int:
        mix = fields.text_at(message, "mixType")
        if mix:
            return 2 if mix == "stereo" else 1
        channels = fields.number_at(message, "channels") or fields.number_at(self.query, "channels")
        return width_of(channels or 1)
