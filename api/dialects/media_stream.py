"""What the Media Streams of several platforms share: JSON messages with audio in base64.

Twilio has defined them (https://www.twilio.com/docs/voice/media-streams/websocket-messages);
SignalWire, Telnyx, Plivo and Exotel send the same events with fields of their own.
"""

import abc
import base64
import binascii
from typing import Any

from api.dialects import fields
from api.dialects.events import (
    Audio,
    Begin,
    CallError,
    Dtmf,
    End,
    Event,
    Malformed,
    Mark,
)

# Of media that arrives before its `start`, or is needed to find out which tracks there are.
_MAX_HELD_MESSAGES = 500
_MAX_HELD_CHARACTERS = 512 * 1024

_MS_PER_SECOND = 1000

# The tracks in the order of the channels: what the caller says, what the caller hears.
TRACKS = ("inbound", "outbound")

ANY_TRACK = "call"  # of a stream without tracks


class MediaStream(abc.ABC):
    """One stream of media messages. Subclasses read its `start` and the time of its media."""

    name: str

    def __init__(self) -> None:
        self._began: Begin | None = None
        self._held: list[dict[str, Any]] = []
        self._held_characters = 0

    @abc.abstractmethod
    def begin(self, message: dict[str, Any]) -> Begin | None:
        """Return what the message `start` says; None if it needs media to know the tracks."""

    def begin_with(self, media: list[dict[str, Any]], *, is_last: bool) -> Begin | None:
        """Return `Begin` if ``media`` shows the tracks; always if it is all that will come."""
        del media, is_last
        raise CallError("there was media, but no message 'start'")

    def time_ms(self, media: dict[str, Any]) -> int | None:
        """Return when the audio of ``media`` begins, in milliseconds."""
        return fields.number_at(media, "timestamp")

    def receive_bytes(self, data: bytes) -> list[Event]:
        return [Malformed(f"a binary message of {len(data)} bytes")]

    def receive_text(self, text: str) -> list[Event]:
        message = fields.parse(text)
        if message is None:
            return [Malformed("a text that is no JSON object")]
        match message.get("event"):
            case "media":
                return self._receive_media(message, len(text))
            case "start":
                return self._receive_start(message)
            case "stop":
                return [*self.stop_waiting(), End()] if self._held else [End()]
            case "dtmf":
                return self._note(Dtmf(fields.text_at(fields.object_at(message, "dtmf"), "digit")))
            case "mark":
                return self._note(Mark(fields.text_at(fields.object_at(message, "mark"), "name")))
            case "error":
                return self._note(Malformed("the platform has sent an error"))
        return []

    def stop_waiting(self) -> list[Event]:
        if self._began is not None or not self._held:
            return []
        return self._release(self.begin_with(self._media(), is_last=True))

    def _note(self, event: Event) -> list[Event]:
        return [] if self._began is None else [event]

    def _receive_start(self, message: dict[str, Any]) -> list[Event]:
        if self._began is not None:
            return [Malformed("a second message 'start'")]
        begin = self.begin(message)
        if begin is None and self._held:
            begin = self.begin_with(self._media(), is_last=False)
        return self._release(begin)

    def _receive_media(self, message: dict[str, Any], characters: int) -> list[Event]:
        if self._began is not None:
            return [self._audio(message, self._began)]
        self._held.append(message)
        self._held_characters += characters
        if len(self._held) >= _MAX_HELD_MESSAGES or self._held_characters >= _MAX_HELD_CHARACTERS:
            return self.stop_waiting()
        return self._release(self._begin_by_media())

    def _begin_by_media(self) -> Begin | None:
        """Return `Begin` if `start` has been received and the held media shows the tracks."""
        return None

    def _release(self, begin: Begin | None) -> list[Event]:
        if begin is None:
            return []
        self._began, held = begin, self._held
        self._held = []
        return [begin, *(self._audio(message, begin) for message in held)]

    def _media(self) -> list[dict[str, Any]]:
        return [fields.object_at(message, "media") for message in self._held]

    def _audio(self, message: dict[str, Any], begin: Begin) -> Event:
        media = message.get("media")
        if not isinstance(media, dict):
            return Malformed("a message 'media' without its object")
        payload = media.get("payload")
        try:
            data = base64.b64decode(payload, validate=True)  # type: ignore[arg-type]
        except (binascii.Error, ValueError, TypeError):
            return Malformed("a payload that is not base64")
        name = media.get("track", begin.tracks[0])
        if begin.tracks == (ANY_TRACK,):
            track = 0
        elif name in begin.tracks:
            track = begin.tracks.index(name)
        else:
            return Malformed(f"audio of track {fields.clean_text(name)!r}, which is not recorded")
        time_ms = self.time_ms(media)
        frame = None if time_ms is None else time_ms * begin.sample_rate // _MS_PER_SECOND
        return Audio(data, track, frame, self.number(message, media))

    def number(self, message: dict[str, Any], media: dict[str, Any]) -> int | None:
        """Return the number of the message among those of its track."""
        del message
        return fields.number_at(media, "chunk")


def tracks_of(value: object) -> tuple[str, ...]:
    """Return the tracks that a message `start` lists, in the order of the channels."""
    listed = value if isinstance(value, list) else [value]
    named = {each.removesuffix("_track") for each in listed if isinstance(each, str)}
    if named & {"both", "both_tracks"}:
        return TRACKS
    return tuple(track for track in TRACKS if track in named)
