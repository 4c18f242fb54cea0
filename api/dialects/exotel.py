"""Exotel AgentStream: 16-bit PCM of the caller, without tracks.

https://developer.exotel.com/docs/agentstream/websocket-protocol.
"""

from typing import Any

from api.dialects import fields
from api.dialects.events import Begin
from api.dialects.media_stream import ANY_TRACK, MediaStream


class Exotel(MediaStream):
    name = "exotel"

    def begin(self, message: dict[str, Any]) -> Begin:
        start = fields.object_at(message, "start")
        media_format = fields.object_at(start, "media_format")
        codec = fields.text_at(media_format, "encoding").lower()
        if codec in {"", "base64"}:  # the documentation's examples name the transport
            codec = "l16"
        return Begin(
            encoding=fields.encoding_of(codec, l16="l16?"),
            sample_rate=fields.sample_rate_of(fields.number_at(media_format, "sample_rate"), 8000),
            tracks=(ANY_TRACK,),
            call_id=fields.text_at(start, "call_sid"),
            stream_id=fields.text_at(start, "stream_sid") or fields.text_at(message, "stream_sid"),
            caller=fields.text_at(start, "from"),
            callee=fields.text_at(start, "to"),
            parameters=fields.parameters(fields.object_at(start, "custom_parameters")),
        )
