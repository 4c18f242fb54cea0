"""The messages of the wire, one struct each.

The server encodes these, the AsyncAPI document is generated from them, and the
HTTP endpoints answer with them: what is written here is the protocol.
"""

from datetime import datetime
from typing import Annotated, Literal, NamedTuple, get_args

import msgspec
from msgspec import Meta

from api.audio.formats import CHANNELS, INPUT_KINDS, SAMPLE_RATES
from storage.manifest import Status

# A message's own state: `error` tells that something failed, not how the session is.
MessageStatus = Literal["active", "completed", "error"]

Action = Literal["close_session", "flush", "keep_alive", "status"]
ACTIONS: tuple[str, ...] = get_args(Action)

SessionId = Annotated[
    str,
    Meta(
        description="UUID of the session",
        examples=["019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"],
        extra_json_schema={"format": "uuid"},
    ),
]
ChunkCount = Annotated[int, Meta(description="Chunks the server has: send on from the next", ge=0)]
PersistedChunkCount = Annotated[
    int, Meta(description="Chunks that are in storage and survive the loss of the node", ge=0)
]
DurationSeconds = Annotated[float, Meta(description="Audio recorded so far", ge=0)]

# Of what cannot be printed, the part that every dialect of regular expressions can name.
_NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f]*$"


def _documented(**schema: object) -> Meta:
    """What is said of a field and checked elsewhere: `api.session.parameters` has better errors."""
    return Meta(extra_json_schema={"extra": schema})


class ControlRequest(msgspec.Struct, tag_field="type", tag="control"):
    """What a client says beside its audio, as a text message."""

    action: Action


class ServerMessage(msgspec.Struct, kw_only=True, gc=False, tag_field="type"):
    """What every message of the server carries."""

    message: Annotated[str, Meta(description="For people")]
    session_id: SessionId | None = None
    chunk_count: ChunkCount = 0
    status: MessageStatus
    persisted_chunk_count: PersistedChunkCount = 0
    duration_seconds: DurationSeconds = 0.0


class SessionCounts(NamedTuple):
    """How far a session got: what every message says of it."""

    session_id: str
    chunk_count: int
    persisted_chunk_count: int
    duration_seconds: float

    def apply_to(self, message: ServerMessage) -> None:
        """Set the fields of ``message`` that have these names."""
        message.session_id = self.session_id
        message.chunk_count = self.chunk_count
        message.persisted_chunk_count = self.persisted_chunk_count
        message.duration_seconds = self.duration_seconds


class SessionMessage(ServerMessage, tag="session"):
    """The first message of every connection."""

    sample_rate: int
    channels: int
    format: str


class ChunkMessage(ServerMessage, tag="chunk"):
    """One chunk was received: it survives the death of the server process."""


class ControlMessage(ServerMessage, tag="control"):
    """The answer to a control message, and the last message of a session."""

    action: Action


class ErrorMessage(ServerMessage, tag="error"):
    """Something could not be done. Programs go by ``code``."""

    error: str
    code: str
    valid_values: list[int | str] | msgspec.UnsetType = msgspec.UNSET


class ErrorBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Every HTTP error."""

    error: Annotated[str, Meta(description="For people")]
    code: Annotated[str, Meta(description="For programs; never changes")]
    session_id: str | None = None
    valid_values: list[int | str] | None = None


class CreateSession(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Parameters of a new session; what is left out has the configured default."""

    user_id: Annotated[
        str | None, _documented(description="Printable text", maxLength=256, pattern=_NO_CONTROLS)
    ] = None
    sample_rate: Annotated[int | None, _documented(enum=[*SAMPLE_RATES, None])] = None
    channels: Annotated[int | None, _documented(enum=[*CHANNELS, None])] = None
    format: Annotated[str | None, _documented(enum=[*INPUT_KINDS, None])] = None


class SessionInfo(msgspec.Struct, kw_only=True):
    """A session as it is at this moment."""

    session_id: SessionId
    status: Status
    user_id: str | None = None
    sample_rate: int
    channels: int
    format: str
    total_chunks: ChunkCount
    persisted_chunk_count: PersistedChunkCount
    duration_seconds: DurationSeconds
    file_path: Annotated[str, Meta(description="Where the WAV is")]
    size_bytes: int
    unpersisted_bytes: Annotated[
        int, Meta(description="Audio that the loss of the node would cost, in bytes")
    ] = 0
    unpersisted_seconds: Annotated[
        float, Meta(description="How long the oldest of it has been waiting")
    ] = 0.0
    connections: Annotated[int, Meta(description="Clients connected to it")]
    created_at: datetime
    completed_at: datetime | None = None
    error: Annotated[
        str | None, Meta(description="What could not be decoded last, if anything")
    ] = None


class CreatedSession(msgspec.Struct, kw_only=True):
    """A new session and where to stream to."""

    session_id: SessionId
    ws_url: Annotated[
        str, Meta(description="WebSocket URL to send audio to, with the token if there is one")
    ]
    token: Annotated[
        str | None, Meta(description="Opens this session alone; null on a service that is open")
    ] = None
    token_expires_at: datetime | None = None
    session: SessionInfo


class CreateToken(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the token is for: to record to the session and hear it, or only to hear it."""

    scope: Literal["record", "read"] = "record"


class SessionTokenInfo(msgspec.Struct, kw_only=True):
    """A token that opens one session until it expires, and nothing else."""

    token: str
    scope: Literal["record", "read"]
    expires_at: datetime
    ws_url: Annotated[str, Meta(description="WebSocket URL of the session, with the token")]


class SessionResult(msgspec.Struct, kw_only=True):
    """The answer to closing or deleting a session."""

    success: bool
    message: str
    session_id: SessionId
    session: SessionInfo | None = None


class SessionPage(msgspec.Struct, kw_only=True):
    """Sessions, newest first."""

    sessions: list[SessionInfo]
    next_cursor: Annotated[str | None, Meta(description="Pass as cursor for the next page")] = None


class DownloadLink(msgspec.Struct, kw_only=True):
    """A URL that needs no further authorization until it expires."""

    url: str
    expires_at: datetime


class Waveform(msgspec.Struct, kw_only=True):
    """The lowest and highest sample of each pixel, as audiowaveform has it in JSON."""

    version: int
    channels: int
    sample_rate: int
    samples_per_pixel: int
    bits: int
    length: Annotated[int, Meta(description="Pixels")]
    data: Annotated[
        list[int], Meta(description="For each pixel, for each channel: the lowest, the highest")
    ]


class Health(msgspec.Struct, kw_only=True):
    """The process answers."""

    status: Literal["ok"]
    version: str
    active_sessions: Annotated[int, Meta(description="Sessions that are live in this process")]
    unpersisted_bytes: Annotated[
        int, Meta(description="Audio of all of them that the loss of the node would cost, in bytes")
    ]
    unpersisted_seconds: Annotated[
        float, Meta(description="How long the oldest of it has been waiting")
    ]


class Readiness(msgspec.Struct, kw_only=True):
    """Storage can be written."""

    status: Literal["ready"]
    active_sessions: int


encode = msgspec.json.Encoder().encode
decode_control = msgspec.json.Decoder(ControlRequest).decode
