"""Plivo: no `connected`, timestamps in Unix milliseconds, and no `stop`."""

import base64
import json
from typing import Any

from tests.platforms import Message, cut

FIRST_MS = 1_764_187_200_123


def start(
    *tracks: str, encoding: str = "audio/x-mulaw", sample_rate: int = 8000, headers: str = "order=7"
) -> str:
    about = {
        "callId": "9d9d8a3e",
        "streamId": "20170ada",
        "accountId": "MAXX",
        "tracks": tracks,
        "mediaFormat": {"encoding": encoding, "sampleRate": sample_rate},
    }
    return json.dumps(
        {"sequenceNumber": 0, "event": "start", "start": about, "extra_headers": headers}
    )


def media(track: str, chunk: int, time_ms: int, payload: bytes) -> str:
    about: dict[str, Any] = {
        "track": track,
        "timestamp": str(FIRST_MS + time_ms),
        "chunk": chunk,
        "payload": base64.b64encode(payload).decode(),
    }
    return json.dumps(
        {"sequenceNumber": chunk, "streamId": "20170ada", "event": "media", "media": about}
    )


def call(audio: bytes, *, size: int = 160, bytes_per_ms: int = 8, **options: Any) -> list[Message]:
    parts = enumerate(cut(audio, size))
    return [
        start("inbound", **options),
        *(media("inbound", at + 1, at * size // bytes_per_ms, part) for at, part in parts),
    ]
