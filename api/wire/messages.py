"""The messages and bodies of the protocol, one struct each.

The server encodes these structs, and the OpenAPI and AsyncAPI documents are generated from them,
with their docstrings and descriptions.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple, get_args

import msgspec
from msgspec import Meta

from api.audio.formats import CHANNELS, INPUT_KINDS, SAMPLE_RATES
from storage.manifest import Status
from storage.receipt import Receipt
from storage.shared_links import LinkFormat
from storage.timeline import MAX_LABEL_CHARACTERS
from storage.warning import SessionWarning

# `error` is the status of an error message, not of the session.
MessageStatus = Literal["active", "completed", "error"]

Action = Literal["close_session", "flush", "keep_alive", "mark", "pause", "resume", "status"]
ACTIONS: tuple[str, ...] = get_args(Action)

SessionId = Annotated[
    str,
    Meta(
        description="UUID of the session",
        examples=["019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"],
        extra_json_schema={"format": "uuid"},
    ),
]
ChunkCount = Annotated[
    int, Meta(description="Chunks that the server has received; resume with the next one", ge=0)
]
PersistedChunkCount = Annotated[
    int, Meta(description="Chunks that are persisted and survive the loss of the node", ge=0)
]
DurationSeconds = Annotated[float, Meta(description="Audio recorded so far", ge=0)]

WarningCount = Annotated[
    int, Meta(description="Warnings of the session; `warnings` has the first ones", ge=0)
]

# Control characters only: regular expressions in JSON schemas have no class for "printable".
NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
_NO_CONTROLS_BUT_BREAKS = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]*$"


def _documented(**schema: object) -> Meta:
    """Return a schema for the documents only; `api.session.parameters` checks the value."""
    return Meta(extra_json_schema={"extra": schema})


Title = Annotated[
    str | None, _documented(description="One line of text", maxLength=200, pattern=NO_CONTROLS)
]
Metadata = Annotated[
    dict[str, Any] | None,
    _documented(
        description="Texts by name, at most 4096 bytes as JSON",
        propertyNames={"minLength": 1, "pattern": NO_CONTROLS},
        additionalProperties={"type": "string", "pattern": _NO_CONTROLS_BUT_BREAKS},
    ),
]

Hold = Annotated[
    str | bool | int | None,  # else 0 would be read as false
    _documented(
        description="Whether nothing deletes the session; only an admin lifts a hold",
        type=["boolean", "null"],
    ),
]
ExpiresAt = Annotated[
    str | None,
    _documented(
        description=(
            "When the session is deleted, in place of RETENTION_DAYS: a time in the future"
            " (RFC 3339); null: as RETENTION_DAYS says"
        ),
        format="date-time",
    ),
]


class ControlRequest(msgspec.Struct, tag_field="type", tag="control"):
    """A control message of the client, sent as text."""

    action: Action
    label: Annotated[
        str | msgspec.UnsetType,
        _documented(
            description="Of `mark`: one line of text", minLength=1, maxLength=MAX_LABEL_CHARACTERS
        ),
    ] = msgspec.UNSET


class ServerMessage(msgspec.Struct, kw_only=True, gc=False, tag_field="type"):
    """The fields of every message of the server."""

    message: Annotated[str, Meta(description="Text for people")]
    session_id: SessionId | None = None
    chunk_count: ChunkCount = 0
    status: MessageStatus
    persisted_chunk_count: PersistedChunkCount = 0
    duration_seconds: DurationSeconds = 0.0
    warnings: Annotated[
        tuple[SessionWarning, ...] | msgspec.UnsetType,
        Meta(description="What could not be recorded; only in messages after it has changed"),
    ] = msgspec.UNSET
    warning_count: WarningCount | msgspec.UnsetType = msgspec.UNSET


class SessionCounts(NamedTuple):
    """The counts of a session, which are in every message about it."""

    session_id: str
    chunk_count: int
    persisted_chunk_count: int
    duration_seconds: float

    def apply_to(self, message: ServerMessage) -> None:
        """Set the fields of the same names in ``message``."""
        message.session_id = self.session_id
        message.chunk_count = self.chunk_count
        message.persisted_chunk_count = self.persisted_chunk_count
        message.duration_seconds = self.duration_seconds


class SessionWarnings(NamedTuple):
    """The warnings of a session: the first ones, and how many there are."""

    first: tuple[SessionWarning, ...]
    total: int

    def apply_to(self, message: ServerMessage) -> None:
        """Set the fields in ``message``, if there are warnings."""
        if self.total:
            message.warnings, message.warning_count = self


class SessionMessage(ServerMessage, tag="session"):
    """The first message of every connection."""

    sample_rate: int
    channels: int
    format: str
    paused: Annotated[
        bool, Meta(description="Chunks count and are not recorded until `resume`")
    ] = False


class ChunkMessage(ServerMessage, tag="chunk"):
    """The acknowledgement of one chunk, which survives a crash of the server process."""

    paused: Annotated[
        bool | msgspec.UnsetType,
        Meta(description="true while the session is paused, else missing"),
    ] = msgspec.UNSET


class ControlMessage(ServerMessage, tag="control"):
    """The answer to a control message, and the final message of a session."""

    action: Action
    receipt_digest: Annotated[
        str | msgspec.UnsetType,
        Meta(description="SHA-256 of the session's receipt; only in the final message"),
    ] = msgspec.UNSET


class ErrorMessage(ServerMessage, tag="error"):
    """An error. Programs use ``code``, which never changes."""

    error: str
    code: str
    valid_values: list[int | str] | msgspec.UnsetType = msgspec.UNSET


class ErrorBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The body of every HTTP error."""

    error: Annotated[str, Meta(description="Text for people")]
    code: Annotated[str, Meta(description="Code for programs; never changes")]
    session_id: str | None = None
    valid_values: list[int | str] | None = None


class MarkSession(msgspec.Struct, kw_only=True):
    """A mark for the timeline."""

    label: Annotated[
        str,
        _documented(
            description="One line of text",
            minLength=1,
            maxLength=MAX_LABEL_CHARACTERS,
            pattern=NO_CONTROLS,
        ),
    ]


class CreateSession(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The parameters of a new session; omitted ones have the configured defaults."""

    user_id: Annotated[
        str | None, _documented(description="Printable text", maxLength=256, pattern=NO_CONTROLS)
    ] = None
    sample_rate: Annotated[int | None, _documented(enum=[*SAMPLE_RATES, None])] = None
    channels: Annotated[int | None, _documented(enum=[*CHANNELS, None])] = None
    format: Annotated[str | None, _documented(enum=[*INPUT_KINDS, None])] = None
    title: Title = None
    metadata: Metadata = None
    hold: Hold = None
    expires_at: ExpiresAt = None


class ChangeSession(msgspec.Struct, kw_only=True, omit_defaults=True):
    """New values; a value that is omitted stays, null removes the old one."""

    title: Title | msgspec.UnsetType = msgspec.UNSET
    metadata: Metadata | msgspec.UnsetType = msgspec.UNSET
    hold: Hold | msgspec.UnsetType = msgspec.UNSET
    expires_at: ExpiresAt | msgspec.UnsetType = msgspec.UNSET


class SessionInfo(msgspec.Struct, kw_only=True):
    """The current state of a session."""

    session_id: SessionId
    status: Status
    user_id: str | None = None
    title: str | None = None
    metadata: dict[str, str] = {}
    hold: Annotated[bool, Meta(description="Nothing deletes the session")] = False
    expires_at: Annotated[
        datetime | None,
        Meta(description="When the completed session is deleted; null: as RETENTION_DAYS says"),
    ] = None
    sample_rate: int
    channels: int
    format: str
    total_chunks: ChunkCount
    persisted_chunk_count: PersistedChunkCount
    duration_seconds: DurationSeconds
    file_path: Annotated[str, Meta(description="Path or URL of the WAV in storage")]
    size_bytes: int
    unpersisted_bytes: Annotated[
        int, Meta(description="Audio that is not yet persisted, in bytes")
    ] = 0
    unpersisted_seconds: Annotated[
        float, Meta(description="Age of the oldest unpersisted audio")
    ] = 0.0
    paused: Annotated[
        bool, Meta(description="Chunks count and are not recorded until the session is resumed")
    ] = False
    connections: Annotated[int, Meta(description="Clients that are connected and send audio")]
    disconnected_at: Annotated[
        datetime | None,
        Meta(description="Since when an active session has no connection; null if it has one"),
    ] = None
    idle_until: Annotated[
        datetime | None,
        Meta(description="When the service completes the session if no client connects"),
    ] = None
    created_at: datetime
    completed_at: datetime | None = None
    error: Annotated[
        str | None, Meta(description="Message of the last warning; null if there is none")
    ] = None
    warnings: Annotated[
        tuple[SessionWarning, ...], Meta(description="What could not be recorded")
    ] = ()
    warning_count: WarningCount = 0
    receipt: Annotated[
        Receipt | None, Meta(description="What a completed recording can be checked against")
    ] = None


class CreatedSession(msgspec.Struct, kw_only=True):
    """A new session and its WebSocket URL."""

    session_id: SessionId
    ws_url: Annotated[
        str, Meta(description="WebSocket URL for sending audio, with the token if there is one")
    ]
    token: Annotated[
        str | None,
        Meta(description="Token for this session only; null if authentication is off"),
    ] = None
    token_expires_at: datetime | None = None
    session: SessionInfo


class CallerIdentity(msgspec.Struct, kw_only=True):
    """The user and the scopes of a key or token."""

    user_id: Annotated[
        str | None, Meta(description="User of the key or token; null if authentication is off")
    ]
    scopes: Annotated[
        list[Literal["record", "read", "admin", "ingest"]],
        Meta(description="What the caller may do; `admin` includes the others"),
    ]


class CreateToken(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The scope of the token: ``record`` to record and read the session, ``read`` to read it."""

    scope: Literal["record", "read"] = "record"


class SessionTokenInfo(msgspec.Struct, kw_only=True):
    """A token that is valid for one session only, until it expires."""

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
    """A page of sessions."""

    sessions: list[SessionInfo]
    next_cursor: Annotated[
        str | None, Meta(description="The cursor of the next page; null on the last one")
    ] = None
    total: Annotated[
        int | None,
        Meta(description="Sessions that match: on the first page of a volume, else null"),
    ] = None


class DownloadLink(msgspec.Struct, kw_only=True):
    """A URL that is valid without credentials until it expires."""

    url: str
    expires_at: datetime


MAX_LINK_SECONDS = 366 * 86400


class CreateLink(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How long a shared link is valid, and which part of the recording it opens."""

    expires_in_seconds: Annotated[
        int, _documented(description="Lifetime", minimum=1, maximum=MAX_LINK_SECONDS)
    ] = 7 * 86400
    start: Annotated[
        float | None,
        _documented(description="Start in seconds, before the end of the recording", minimum=0),
    ] = None
    end: Annotated[
        float | None,
        _documented(description="End in seconds, after the start", exclusiveMinimum=0),
    ] = None
    format: Annotated[
        LinkFormat | None, Meta(description="Format, converted while it is sent; null: WAV")
    ] = None


class LinkInfo(msgspec.Struct, kw_only=True):
    """A shared link, which opens a page with the recording for people without an account."""

    link_id: Annotated[str, Meta(description="Names the link when it is revoked")]
    created_at: datetime
    expires_at: datetime
    start: Annotated[float | None, Meta(description="Start in seconds; null: the beginning")]
    end: Annotated[float | None, Meta(description="End in seconds; null: the end")]
    format: Annotated[LinkFormat | None, Meta(description="Format; null: WAV")]


class CreatedLink(LinkInfo, kw_only=True):
    """A new shared link. The service does not store its address."""

    url: Annotated[str, Meta(description="Address of the page; the service shows it only once")]


class LinkList(msgspec.Struct, kw_only=True):
    """The shared links of a session, the oldest first; also those that have ended."""

    links: list[LinkInfo]


class PublicKey(msgspec.Struct, frozen=True, kw_only=True):
    """A public key, 32 bytes in hexadecimal. ``kid`` is its SHA-256."""

    kid: str
    algorithm: str = "Ed25519"
    public_key: str


class KeyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The public keys of receipts of this service, the current one first."""

    keys: list[PublicKey]


class Waveform(msgspec.Struct, kw_only=True):
    """The minimum and maximum sample of each pixel, in the JSON format of audiowaveform."""

    version: int
    channels: int
    sample_rate: int
    samples_per_pixel: int
    bits: int
    length: Annotated[int, Meta(description="Number of pixels")]
    data: Annotated[
        list[int], Meta(description="Minimum and maximum, for each pixel and each channel")
    ]


class Health(msgspec.Struct, kw_only=True):
    """The process is running; ``degraded``: a part of it does not work, as ``problems`` says."""

    status: Literal["ok", "degraded"]
    problems: Annotated[list[str], Meta(description="What does not work; empty if ok")]
    version: str
    active_sessions: Annotated[int, Meta(description="Sessions that are live in this node")]
    unpersisted_bytes: Annotated[
        int, Meta(description="Audio of these sessions that is not yet persisted, in bytes")
    ]
    unpersisted_seconds: Annotated[float, Meta(description="Age of the oldest unpersisted audio")]


class Readiness(msgspec.Struct, kw_only=True):
    """Storage is writable."""

    status: Literal["ready"]
    active_sessions: int


encode = msgspec.json.Encoder().encode
decode_control = msgspec.json.Decoder(ControlRequest).decode
