"""Genesys Cloud AudioHook, protocol version 2.

https://developer.genesys.cloud/devapps/audiohook/. The client offers formats, and sends audio after
the server has chosen one: PCMU, 8,000 Hz, if possible both channels. Every message of the server
has a number, and the number of the last message of the client.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from api.dialects import fields
from api.dialects.events import (
    Audio,
    Begin,
    CallError,
    End,
    Event,
    Gap,
    Malformed,
    Pause,
    Reply,
    Resume,
)

_SAMPLE_RATE = 8000
_MAX_MESSAGES = 2**53

# ISO 8601, as the protocol restricts it: seconds only.
_DURATION = re.compile(r"PT(\d{1,9})(?:\.(\d{1,9}))?S\Z")

# The client checks a connection with a call of this id, which is not recorded.
_NO_CALL = "00000000-0000-0000-0000-000000000000"


class AudioHook:
    name = "audiohook"

    def __init__(self, query: Mapping[str, str]) -> None:
        self._query = query
        self._began: Begin | None = None
        self._id = ""
        self._is_open = False
        self._client_sequence = 0
        self._sequence = 0
        self._frames = 0  # the position in the time of the platform

    def receive_bytes(self, data: bytes) -> list[Event]:
        if self._began is None:
            return [] if self._is_open else [Malformed("audio before 'open'")]
        self._frames += len(data) // self._began.width
        return [Audio(data)]

    def receive_text(self, text: str) -> list[Event]:
        message = fields.parse(text)
        if message is None:
            return [Malformed("a text that is no JSON object")]
        self._client_sequence = fields.number_at(message, "seq") or self._client_sequence
        values = fields.object_at(message, "parameters")
        match message.get("type"):
            case "open":
                return self._open(message, values)
            case "ping":
                return [self._reply("pong")]
            case "close":
                return [self._reply("closed"), End()]
            case "paused":
                return [Pause()] if self._began else []
            case "resumed":
                return [*self._discarded(values), Resume()] if self._began else []
            case "discarded":
                return self._discarded(values)
            case "error":
                return [Malformed(f"the platform reports error {fields.text_at(values, 'code')}")]
        return []

    def stop_waiting(self) -> list[Event]:
        return []

    def _open(self, message: dict[str, Any], values: dict[str, Any]) -> list[Event]:
        if self._is_open:
            return [Malformed("a second message 'open'")]
        self._is_open = True
        self._id = fields.text_at(message, "id")
        media = _choose(values.get("media"))
        if fields.text_at(values, "conversationId") == _NO_CALL:
            return [self._reply("opened", media=[])]
        if media is None:
            raise CallError("AudioHook offers no PCMU of 8000 Hz")
        participant = fields.object_at(values, "participant")
        parameters = fields.parameters(self._query, without=frozenset({"token"}))
        parameters |= fields.parameters(fields.object_at(values, "customConfig"))
        if organization := fields.text_at(values, "organizationId"):
            parameters["organization_id"] = organization
        if name := fields.text_at(participant, "aniName"):
            parameters["caller_name"] = name
        self._began = Begin(
            encoding="mulaw",
            sample_rate=_SAMPLE_RATE,
            width=len(media["channels"]),
            call_id=fields.text_at(values, "conversationId"),
            stream_id=self._id,
            caller=fields.text_at(participant, "ani"),
            callee=fields.text_at(participant, "dnis"),
            parameters=parameters,
        )
        return [self._began, self._reply("opened", media=[media])]

    def _discarded(self, values: dict[str, Any]) -> list[Event]:
        """Return the gap from the present position to the end of what was discarded."""
        start, length = _frames(values.get("start")), _frames(values.get("discarded"))
        if self._began is None:
            return []
        if start is None or length is None:
            return [Malformed("a message about discarded audio without its time")]
        missing = start + length - self._frames
        if missing <= 0:
            return []
        self._frames += missing
        return [Gap(missing, "discarded")]

    def _reply(self, kind: str, **parameters: object) -> Reply:
        self._sequence += 1
        return Reply(
            msgspec.json.encode(
                {
                    "version": "2",
                    "type": kind,
                    "seq": self._sequence,
                    "clientseq": self._client_sequence,
                    "id": self._id,
                    "parameters": parameters,
                }
            ).decode()
        )


def _choose(offers: object) -> dict[str, Any] | None:
    """Return the offer with the most channels that can be recorded; None if there is none."""
    if not isinstance(offers, list):
        return None
    fitting = [
        offer
        for offer in offers[:100]
        if isinstance(offer, dict)
        and offer.get("type") == "audio"
        and offer.get("format") == "PCMU"
        and offer.get("rate") == _SAMPLE_RATE
        and offer.get("channels") in (["external"], ["internal"], ["external", "internal"])
    ]
    return max(fitting, key=lambda offer: len(offer["channels"]), default=None)


def _frames(duration: object) -> int | None:
    """Return the frames of a duration such as ``PT1.25S``; None if it is none."""
    match = _DURATION.match(duration) if isinstance(duration, str) else None
    if match is None:
        return None
    fraction = (match[2] or "0").ljust(9, "0")
    return int(match[1]) * _SAMPLE_RATE + int(fraction) * _SAMPLE_RATE // 10**9
