"""Telnyx."""

import base64
import json
from typing import Any

from tests.platforms import Message, by_turns, cut


def connected() -> str:
    return json.dumps({"event": "connected", "version": "1.0.0"})


def start(
    encoding: str = "PCMU", sample_rate: int = 8000, call_id: str = "v3:call", **more: Any
) -> str:
    about = {
        "user_id": "3e6f995f",
        "call_control_id": call_id,
        "call_session_id": "ff55a038",
        "from": "+13122010094",
        "to": "+13122123456",
        "client_state": "aGF2ZSBhIG5pY2UgZGF5",
        "custom_parameters": {"order": "7"},
        "media_format": {"encoding": encoding, "sample_rate": sample_rate, "channels": 1},
    }
    return json.dumps(
        {"event": "start", "sequence_number": "1", "start": about | more, "stream_id": "32DE0DEA"}
    )


def media(track: str, chunk: int, time_ms: int, payload: bytes) -> str:
    about = {
        "track": track,
        "chunk": str(chunk),
        "timestamp": str(time_ms),
        "payload": base64.b64encode(payload).decode(),
    }
    return json.dumps({"event": "media", "sequence_number": "4", "media": about, "stream_id": "32"})


def media_of(track: str, audio: bytes, *, size: int = 160, bytes_per_ms: int = 8) -> list[str]:
    return [
        media(track, number + 1, number * size // bytes_per_ms, part)
        for number, part in enumerate(cut(audio, size))
    ]


def stop() -> str:
    return json.dumps({"event": "stop", "stop": {"call_control_id": "v3:call"}, "stream_id": "32"})


def call(inbound: bytes, outbound: bytes | None = None) -> list[Message]:
    tracks = [media_of("inbound", inbound), media_of("outbound", outbound or b"")]
    return [connected(), start(), *by_turns(*tracks), stop()]
