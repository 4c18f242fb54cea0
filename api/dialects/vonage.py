"""Vonage Voice WebSockets: one text with the headers, then 16-bit PCM, little endian, mono.

https://developer.vonage.com/en/voice/voice-api/guides/websockets. The stream is always the mix of
the call. The older open client puts a space before the JSON (Nexmo/wsbridge).
"""

from collections.abc import Mapping

from api.dialects import fields
from api.dialects.binary_stream import BinaryStream
from api.dialects.events import Begin, Dtmf, Event, Malformed

_OWN = frozenset({"event", "content-type", "call_id", "call_uuid", "uuid", "conversation_uuid"}) | {
    "from",
    "to",
}


class Vonage(BinaryStream):
    def __init__(self, query: Mapping[str, str]) -> None:
        super().__init__("vonage", query)

    def receive_text(self, text: str) -> list[Event]:
        message = fields.parse(text)
        if message is None:
            return [Malformed("a text that is no JSON object")]
        if message.get("event") == "websocket:dtmf":
            return [] if self.began is None else [Dtmf(fields.text_at(message, "digit"))]
        if message.get("event") != "websocket:connected" or self.began is not None:
            return []
        kind = fields.text_at(message, "content-type") or "audio/l16;rate=16000"
        codec, _, rate = kind.partition(";rate=")
        return self.release(
            Begin(
                encoding=fields.encoding_of(codec),
                sample_rate=fields.sample_rate_of(fields.number_at({"rate": rate}, "rate"), 16000),
                call_id=fields.text_at(message, "call_id", "call_uuid", "uuid"),
                stream_id=fields.text_at(message, "conversation_uuid"),
                caller=fields.text_at(message, "from"),
                callee=fields.text_at(message, "to"),
                parameters=fields.parameters(message, without=_OWN),
            )
        )
