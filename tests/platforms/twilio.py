"""Twilio and SignalWire. Numbers are strings, as there."""

import base64
import json
from collections.abc import Iterator
from typing import Any

from tests.platforms import Message, by_turns, cut

MULAW = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}


def connected(version: str = "1.0.0") -> str:
    return json.dumps({"event": "connected", "protocol": "Call", "version": version})


def start(
    *tracks: str,
    call_id: str = f"CA{1:032x}",
    stream_id: str = f"MZ{1:032x}",
    media_format: dict[str, Any] | None = None,
    parameters: dict[str, Any] | None = None,
) -> str:
    about = {
        "accountSid": f"AC{0:032x}",
        "streamSid": stream_id,
        "callSid": call_id,
        "tracks": tracks,
        "mediaFormat": media_format or MULAW,
        "customParameters": {"FirstName": "Jane"} if parameters is None else parameters,
    }
    message = {"event": "start", "sequenceNumber": "1", "start": about, "streamSid": stream_id}
    return json.dumps(message)


def media(track: str, chunk: int, time_ms: int, payload: bytes) -> str:
    about = {
        "track": track,
        "chunk": str(chunk),
        "timestamp": str(time_ms),
        "payload": base64.b64encode(payload).decode(),
    }
    message = {"event": "media", "sequenceNumber": "4", "media": about, "streamSid": "MZ1"}
    return json.dumps(message)


def media_of(
    track: str, audio: bytes, *, begin_ms: int = 0, size: int = 160, bytes_per_ms: int = 8
) -> Iterator[str]:
    for number, part in enumerate(cut(audio, size)):
        yield media(track, number + 1, begin_ms + number * size // bytes_per_ms, part)


def dtmf(digit: str) -> str:
    return json.dumps({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": digit}})


def mark(name: str) -> str:
    return json.dumps({"event": "mark", "mark": {"name": name}})


def stop() -> str:
    return json.dumps({"event": "stop", "stop": {"accountSid": "AC0", "callSid": "CA1"}})


def call(inbound: bytes, outbound: bytes | None = None, **options: Any) -> list[Message]:
    """Return a whole call in µ-law, of one track or two."""
    names = ("inbound",) if outbound is None else ("inbound", "outbound")
    tracks = [media_of("inbound", inbound), media_of("outbound", outbound or b"")]
    return [connected(), start(*names, **options), *by_turns(*tracks), stop()]
