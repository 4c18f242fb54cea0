"""Finds the dialect of a connection by its handshake, then by its first messages."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from api.dialects import fields
from api.dialects.events import CallError, Dialect, Event
from api.dialects.names import ALIASES, AUTO, DIALECTS, Query

# Of messages that do not show the dialect: binary ones before the metadata, and `connected`.
_MAX_HELD_BYTES = 512 * 1024
_MAX_HELD_MESSAGES = 500

_SIGNALWIRE_VERSION = "0.2.0"  # of its message `connected`
_TWILIO_ID = re.compile(r"(?:CA|MZ|AC)[0-9a-f]{32}\Z", re.IGNORECASE)


class Handshake(msgspec.Struct, frozen=True):
    """What of a WebSocket handshake shows the dialect. Names of headers are in lower case."""

    headers: Mapping[str, str]
    query: Query
    subprotocols: tuple[str, ...] = ()


def dialect_of(name: str, handshake: Handshake) -> Dialect:
    """Return a dialect by its ``name`` in the path; ``auto``: by what the platform sends.

    Raises `CallError` for an unknown name.
    """
    name = ALIASES.get(name, name)
    if name == AUTO:
        name = _by_handshake(handshake)
    if name == AUTO:
        return Detection(handshake.query)
    if name not in DIALECTS:
        raise CallError(f"no dialect {name[:20]!r}: auto, {', '.join(DIALECTS)}")
    return DIALECTS[name](handshake.query)


class Detection:
    """Holds messages until one shows the dialect, which gets all of them."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._found: Dialect | None = None
        self._held: list[str | bytes] = []
        self._held_bytes = 0

    @property
    def name(self) -> str:
        return AUTO if self._found is None else self._found.name

    def receive_text(self, text: str) -> list[Event]:
        if self._found is not None:
            return self._found.receive_text(text)
        name = _by_text(text)
        return self._hold(text, len(text)) if name is None else self._found_out(name, text)

    def receive_bytes(self, data: bytes) -> list[Event]:
        if self._found is not None:
            return self._found.receive_bytes(data)
        return self._hold(data, len(data))

    def stop_waiting(self) -> list[Event]:
        if self._found is not None:
            return self._found.stop_waiting()
        if not any(isinstance(message, bytes) for message in self._held):
            return []
        events = self._found_out("stream")
        assert self._found is not None
        return [*events, *self._found.stop_waiting()]

    def _hold(self, message: str | bytes, size_bytes: int) -> list[Event]:
        self._held.append(message)
        self._held_bytes += size_bytes
        is_full = len(self._held) > _MAX_HELD_MESSAGES or self._held_bytes > _MAX_HELD_BYTES
        events = self.stop_waiting() if is_full else []
        if is_full and self._found is None:
            raise CallError("the messages are of no known platform: put its name into the URL")
        return events

    def _found_out(self, name: str, *last: str) -> list[Event]:
        found = self._found = DIALECTS[name](self._query)
        held, self._held = self._held, []
        events: list[Event] = []
        for message in (*held, *last):
            receive = found.receive_text if isinstance(message, str) else found.receive_bytes
            events += receive(message)  # type: ignore[arg-type]
        return events


def _by_handshake(handshake: Handshake) -> str:
    headers = handshake.headers
    if "audiohook-session-id" in headers:
        return "audiohook"
    if "audio.jambonz.org" in handshake.subprotocols:
        return "jambonz"
    if "audio.drachtio.org" in handshake.subprotocols:
        return "fork"
    if "media" in handshake.subprotocols:
        return "asterisk"
    if headers.get("content-type", "").startswith("audio/x-raw"):
        return "livekit"
    return AUTO


def _by_text(text: str) -> str | None:
    """Return the dialect that the message shows; None if more messages are needed."""
    message = fields.parse(text)
    if message is None:
        return "asterisk" if text.startswith("MEDIA_START") else "fork"
    if message.get("type") == "open" and fields.text_at(message, "version") == "2":
        return "audiohook"
    match message.get("event"):
        case "connected":
            if fields.text_at(message, "version") == _SIGNALWIRE_VERSION and "protocol" in message:
                return "signalwire"
            return None
        case "media" | "dtmf" | "mark" | "stop" | "error":
            return None
        case "start":
            return _by_start(message)
        case "websocket:connected":
            return "vonage"
        case "MEDIA_START":
            return "asterisk"
    if set(message) == {"muted"}:
        return "livekit"
    has_rate = "sampleRate" in message and "mixType" in message
    return "jambonz" if has_rate and ("callSid" in message or "callId" in message) else "fork"


def _by_start(message: dict[str, Any]) -> str | None:
    start = fields.object_at(message, "start")
    if "call_control_id" in start:
        return "telnyx"
    if "callSid" in start:
        is_twilio = _TWILIO_ID.match(fields.text_at(start, "callSid"))
        return "twilio" if is_twilio else "signalwire"
    if "callId" in start:
        return "plivo"
    return "exotel" if "call_sid" in start or "stream_sid" in start else None
