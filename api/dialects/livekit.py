"""LiveKit track egress to a WebSocket: 16-bit PCM of 48,000 Hz, stereo.

https://docs.livekit.io/home/egress/track/. Its only text says whether the track is muted; while it
is, audio is silence.
"""

from collections.abc import Mapping

from api.dialects import fields
from api.dialects.binary_stream import BinaryStream
from api.dialects.events import Begin, Event, Malformed, Mark


class LiveKit(BinaryStream):
    def __init__(self, query: Mapping[str, str]) -> None:
        super().__init__("livekit", query)

    def receive_bytes(self, data: bytes) -> list[Event]:
        events = super().receive_bytes(data)
        return [*events, *self.stop_waiting()]

    def receive_text(self, text: str) -> list[Event]:
        message = fields.parse(text)
        if message is None or "muted" not in message:
            return [Malformed('a text that is not {"muted": …}')] if self.began else []
        return [Mark("muted" if message["muted"] is True else "unmuted")] if self.began else []

    def begin_by_query(self, *, default_rate: int | None = 48000, default_width: int = 2) -> Begin:
        return super().begin_by_query(
            default_rate=default_rate or 48000, default_width=default_width
        )
