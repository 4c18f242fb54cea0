"""The AsyncAPI 3.1 document of the WebSocket protocol, generated from the message structs."""

import functools
from typing import Any

import msgspec

from api import __version__
from api.audio.formats import CHANNELS, INPUT_KINDS, SAMPLE_RATES
from api.wire.errors import TABLE
from api.wire.messages import (
    ChunkMessage,
    ControlMessage,
    ControlRequest,
    ErrorMessage,
    ServerMessage,
    SessionMessage,
)

_SERVER_MESSAGES: tuple[type[ServerMessage], ...] = (
    SessionMessage,
    ChunkMessage,
    ControlMessage,
    ErrorMessage,
)
_MESSAGES: tuple[type[ControlRequest | ServerMessage], ...] = (ControlRequest, *_SERVER_MESSAGES)
_ANSWERS_TO_LISTENERS = tuple(
    message.__name__ for message in (SessionMessage, ControlMessage, ErrorMessage)
)
_OF_ONE_SESSION = {"parameters": {"session_id": {"description": "UUID of the session"}}}
_REF = "#/components/schemas/{name}"


@functools.cache
def asyncapi_document() -> dict[str, Any]:
    """Return the document as JSON types (AsyncAPI 3.1.0)."""
    _, schemas = msgspec.json.schema_components(_MESSAGES, ref_template=_REF)
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "SercueScribe",
            "version": __version__,
            "description": "Send audio to a session, or listen to it. " + _close_codes(),
        },
        "defaultContentType": "application/json",
        "channels": {
            "newSession": _channel(
                "/api/ws/audio",
                "Create a session and send audio to it.",
                {
                    "user_id": _query("string", "User that the session belongs to"),
                    "title": _query("string", "Title of the session"),
                    "metadata.KEY": _query("string", "Metadata of the session, by name"),
                    "sample_rate": _query(
                        "integer", "Sample rate of the recording in Hz", SAMPLE_RATES
                    ),
                    "channels": _query("integer", "Channels of the recording", CHANNELS),
                    "format": _query(
                        "string", "Input format, if its first bytes do not show it", INPUT_KINDS
                    ),
                },
            ),
            "existingSession": _channel(
                "/api/ws/audio/{session_id}",
                "Send audio to an existing session.",
                {
                    "user_id": _query("string", "User that the session belongs to"),
                    "resume": _query(
                        "boolean", "Continue the input stream of the dropped connection"
                    ),
                },
            )
            | _OF_ONE_SESSION,
            "listen": {
                "address": "/api/ws/audio/{session_id}/listen",
                "description": "Receive the PCM of a session while it is recorded.",
                "messages": _references("AudioFrames", *_ANSWERS_TO_LISTENERS),
                "bindings": _binding({"from": _query("string", "start, now, or a frame number")}),
            }
            | _OF_ONE_SESSION,
        },
        "operations": {
            f"{verb}{channel[0].upper()}{channel[1:]}": {
                "action": action,
                "channel": {"$ref": f"#/channels/{channel}"},
                "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names],
            }
            for channel in ("newSession", "existingSession")
            for verb, action, names in (
                ("receive", "receive", ("AudioChunk", "ControlRequest")),
                ("send", "send", tuple(message.__name__ for message in _SERVER_MESSAGES)),
            )
        }
        | {
            "sendListen": {
                "action": "send",
                "channel": {"$ref": "#/channels/listen"},
                "messages": [
                    {"$ref": f"#/channels/listen/messages/{name}"}
                    for name in ("AudioFrames", *_ANSWERS_TO_LISTENERS)
                ],
            }
        },
        "components": {
            "schemas": schemas,
            "messages": {
                "AudioFrames": {
                    "title": "Number of the first frame, 64 bits little endian, then whole frames",
                    "contentType": "application/octet-stream",
                    "payload": {"type": "string", "format": "binary"},
                },
                "AudioChunk": {
                    "title": "One chunk of the input, cut anywhere",
                    "contentType": "application/octet-stream",
                    "payload": {"type": "string", "format": "binary"},
                },
            }
            | {message.__name__: _message(message) for message in _MESSAGES},
        },
    }


def _channel(address: str, description: str, query: dict[str, Any]) -> dict[str, Any]:
    names = ("AudioChunk", *(message.__name__ for message in _MESSAGES))
    return {
        "address": address,
        "description": description,
        "messages": _references(*names),
        "bindings": _binding(query),
    }


def _references(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}


def _binding(query: dict[str, Any]) -> dict[str, Any]:
    return {"ws": {"method": "GET", "query": {"type": "object", "properties": query}}}


def _query(
    kind: str, description: str, values: tuple[int | str, ...] | None = None
) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": kind, "description": description}
    return schema | ({"enum": list(values)} if values else {})


def _message(message: type[msgspec.Struct]) -> dict[str, Any]:
    return {
        "title": (message.__doc__ or "").split("\n")[0],
        "contentType": "application/json",
        "payload": {"$ref": _REF.format(name=message.__name__)},
    }


def _close_codes() -> str:
    codes: dict[int, list[str]] = {}
    for row in TABLE.values():
        known = codes.setdefault(row.close_code, [])
        if row.code not in known:
            known.append(row.code)
    listed = "; ".join(f"{code} after {', '.join(names)}" for code, names in sorted(codes.items()))
    return f"Close codes: 1000 after close_session; 1012 when the node shuts down; {listed}."
