"""Telnyx media streaming.

https://developers.telnyx.com/docs/voice/programmable-voice/media-streaming. The order of messages
is not guaranteed. `start` does not list the tracks, so the first media shows them: a stream of both
tracks sends both from the beginning.
"""

from typing import Any

from api.dialects import fields
from api.dialects.events import Begin
from api.dialects.media_stream import TRACKS, MediaStream, tracks_of

# Media that is held until the tracks are known, in milliseconds of audio.
_UNDECIDED_MS = 500


class Telnyx(MediaStream):
    name = "telnyx"

    def __init__(self) -> None:
        super().__init__()
        self._start: Begin | None = None

    def begin(self, message: dict[str, Any]) -> Begin | None:
        start = fields.object_at(message, "start")
        media_format = fields.object_at(start, "media_format")
        tracks = tracks_of(start.get("tracks") or start.get("stream_track"))
        parameters = fields.parameters(fields.object_at(start, "custom_parameters"))
        for name in ("client_state", "call_session_id"):
            if text := fields.text_at(start, name):
                parameters.setdefault(name, text)
        begin = Begin(
            encoding=fields.encoding_of(
                fields.text_at(media_format, "encoding") or "PCMU", l16="l16?"
            ),
            sample_rate=fields.sample_rate_of(fields.number_at(media_format, "sample_rate"), 8000),
            tracks=tracks or TRACKS,
            call_id=fields.text_at(start, "call_control_id"),
            stream_id=fields.text_at(message, "stream_id") or fields.text_at(start, "stream_id"),
            caller=fields.text_at(start, "from"),
            callee=fields.text_at(start, "to"),
            parameters=parameters,
        )
        if tracks:
            return begin
        self._start = begin
        return None

    def begin_with(self, media: list[dict[str, Any]], *, is_last: bool) -> Begin | None:
        if self._start is None:
            return super().begin_with(media, is_last=is_last) if is_last else None
        found = tracks_of([each.get("track") for each in media]) or TRACKS[:1]
        if len(found) < len(TRACKS) and not is_last:
            times = [self.time_ms(each) or 0 for each in media]
            if max(times) - min(times) < _UNDECIDED_MS:
                return None
        return Begin(
            **{name: getattr(self._start, name) for name in self._start.__struct_fields__}
            | {"tracks": found}
        )

    def _begin_by_media(self) -> Begin | None:
        return None if self._start is None else self.begin_with(self._media(), is_last=False)
