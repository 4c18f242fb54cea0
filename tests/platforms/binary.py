"""Platforms that send binary messages of 20 ms."""

import json
from typing import Any

from tests.platforms import Message, cut


def vonage(sample_rate: int = 16000, *, before: str = "", **headers: str) -> str:
    about = {"event": "websocket:connected", "content-type": f"audio/l16;rate={sample_rate}"}
    return before + json.dumps(about | headers)


def media_start(codec: str = "ulaw", ptime_bytes: int = 160) -> str:
    return (
        "MEDIA_START connection_id:media_connection1 channel:WebSocket/rec/0x7f "
        f"channel_id:1764187200.1 format:{codec} optimal_frame_size:{ptime_bytes} ptime:20"
    )


def media_start_json(codec: str = "ulaw", **variables: str) -> str:
    return json.dumps(
        {
            "event": "MEDIA_START",
            "connection_id": "media_connection1",
            "channel": "WebSocket/rec/0x7f",
            "channel_id": "1764187200.1",
            "format": codec,
            "optimal_frame_size": 160,
            "ptime": 20,
            "channel_variables": variables,
        }
    )


def jambonz(sample_rate: int = 8000, mix: str = "mono", **more: Any) -> str:
    about = {
        "sampleRate": sample_rate,
        "mixType": mix,
        "callSid": "df09e8d4",
        "callId": "9a0f2c11",
        "from": "+15551230001",
        "to": "+15551230002",
        "direction": "inbound",
        "accountSid": "ed649e33",
    }
    return json.dumps(about | more)


def call(first: str, audio: bytes, size: int) -> list[Message]:
    return [first, *cut(audio, size)]
