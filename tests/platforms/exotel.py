"""Exotel: 100 ms of 16-bit PCM in a message."""

import base64
import json

from tests.platforms import Message, cut


def start(sample_rate: int = 8000) -> str:
    about = {
        "stream_sid": "stream-1",
        "call_sid": "call-1",
        "account_sid": "account-1",
        "from": "+911111111111",
        "to": "+912222222222",
        "custom_parameters": {"order": "7"},
        "media_format": {"encoding": "base64", "sample_rate": str(sample_rate), "bit_rate": "16"},
    }
    return json.dumps(
        {"event": "start", "sequence_number": "1", "stream_sid": "stream-1", "start": about}
    )


def media(chunk: int, time_ms: int, payload: bytes) -> str:
    about = {
        "chunk": str(chunk),
        "timestamp": str(time_ms),
        "payload": base64.b64encode(payload).decode(),
    }
    return json.dumps(
        {"event": "media", "sequence_number": "3", "stream_sid": "stream-1", "media": about}
    )


def call(pcm: bytes, sample_rate: int = 8000) -> list[Message]:
    parts = enumerate(cut(pcm, sample_rate // 5))
    return [
        json.dumps({"event": "connected"}),
        start(sample_rate),
        *(media(at + 1, at * 100, part) for at, part in parts),
        json.dumps({"event": "stop", "stop": {"call_sid": "call-1", "reason": "callended"}}),
    ]
