"""Twilio Media Streams, and SignalWire, which sends the same messages.

https://www.twilio.com/docs/voice/media-streams/websocket-messages. SignalWire also offers L16 at
16,000 and 24,000 Hz, in a byte order that it does not document, and UUIDs instead of SIDs
(https://developer.signalwire.com/compatibility-api/cxml/voice/stream).
"""

from typing import Any

from api.dialects import fields
from api.dialects.events import Begin, CallError
from api.dialects.media_stream import TRACKS, MediaStream, tracks_of


class Twilio(MediaStream):
    """A stream of Twilio or, with its ``name``, of SignalWire."""

    def __init__(self, name: str = "twilio") -> None:
        super().__init__()
        self.name = name

    def begin(self, message: dict[str, Any]) -> Begin:
        start = fields.object_at(message, "start")
        media_format = fields.object_at(start, "mediaFormat")
        tracks = tracks_of(start.get("tracks"))
        if not tracks:
            raise CallError(f"the message 'start' names no track: expected {' or '.join(TRACKS)}")
        codec = fields.text_at(media_format, "encoding") or "mulaw"
        _, _, rate = codec.partition("rate=")
        return Begin(
            encoding=fields.encoding_of(codec, l16="l16?"),
            sample_rate=fields.sample_rate_of(
                fields.number_at(media_format, "sampleRate")
                or fields.number_at({"rate": rate}, "rate"),
                8000,
            ),
            tracks=tracks,
            call_id=fields.text_at(start, "callSid"),
            stream_id=fields.text_at(start, "streamSid") or fields.text_at(message, "streamSid"),
            caller=fields.text_at(start, "from"),
            callee=fields.text_at(start, "to"),
            parameters=fields.parameters(fields.object_at(start, "customParameters")),
        )
