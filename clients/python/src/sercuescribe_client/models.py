"""Values that the client returns. Unknown fields of the service's JSON are ignored."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self

Status = Literal["active", "completed"]
LinkFormat = Literal["wav", "mp3", "flac", "opus"]

# Release 0.2.0 of the service does not send them.
_NEW_FIELDS = {
    "title", "metadata", "hold", "expires_at", "paused", "receipt", "disconnected_at", "idle_until",
}  # fmt: skip
_TIMES = ("created_at", "completed_at", "expires_at", "disconnected_at", "idle_until")


@dataclass(frozen=True, slots=True)
class Progress:
    """The counts of a session, from its first chunk on."""

    chunks: int  # handed to send()
    acked: int  # these survive a crash of the service process
    persisted: int  # these survive the loss of the node
    duration_seconds: float  # recorded so far
    unpersisted_bytes: int  # bytes in the client's memory
    is_connected: bool
    is_paused: bool  # also by another client, as far as the service has told it


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionWarning:
    """Audio that could not be recorded: the cause and the remedy, and where in the input.

    The service noticed it after ``chunk_count`` chunks, when the recording had ``frame`` frames.
    """

    code: str
    message: str
    chunk_count: int
    frame: int

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        return cls(**{field.name: fields[field.name] for field in dataclasses.fields(cls)})


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionToken:
    """A token for one session, and the URL that contains it. Its text does not show it."""

    token: str = dataclasses.field(repr=False)
    scope: Literal["record", "read"]
    expires_at: datetime
    ws_url: str = dataclasses.field(repr=False)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        return cls(
            token=fields["token"],
            scope=fields["scope"],
            expires_at=datetime.fromisoformat(fields["expires_at"]),
            ws_url=fields["ws_url"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInfo:
    """A session as the service describes it."""

    session_id: str
    status: Status
    user_id: str | None
    sample_rate: int
    channels: int
    format: str
    total_chunks: int
    persisted_chunk_count: int
    duration_seconds: float
    file_path: str
    size_bytes: int
    unpersisted_bytes: int
    unpersisted_seconds: float
    connections: int
    created_at: datetime
    completed_at: datetime | None
    error: str | None
    warnings: tuple[SessionWarning, ...]  # the first ones
    warning_count: int
    title: str | None = None
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    hold: bool = False  # nothing deletes the session
    expires_at: datetime | None = None  # when the completed session is deleted
    disconnected_at: datetime | None = None  # since when an active session has no connection
    idle_until: datetime | None = None  # when it is completed if no client connects
    paused: bool = False  # chunks count and are not recorded
    receipt: Mapping[str, Any] | None = None  # of a completed session

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        names = {field.name for field in dataclasses.fields(cls)}
        known = {name: fields[name] for name in names - (_NEW_FIELDS - fields.keys())}
        for name in _TIMES:
            if known.get(name) is not None:
                known[name] = datetime.fromisoformat(known[name])
        known["warnings"] = tuple(map(SessionWarning.from_json, known["warnings"]))
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return _to_json(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedLink:
    """A link by which people without an account hear one recording, or a part of it.

    ``start`` and ``end`` are in seconds. None: from the beginning, to the end, as WAV. The service
    tells ``url`` only when it makes the link; later it is None.
    """

    link_id: str
    created_at: datetime
    expires_at: datetime
    start: float | None
    end: float | None
    format: LinkFormat | None
    url: str | None = None

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        known = {name: fields[name] for name in ("link_id", "start", "end", "format")}
        return cls(
            **known,
            created_at=datetime.fromisoformat(fields["created_at"]),
            expires_at=datetime.fromisoformat(fields["expires_at"]),
            url=fields.get("url"),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return _to_json(self)


def _to_json(value: SessionInfo | SharedLink) -> dict[str, Any]:
    return {
        name: field.isoformat() if isinstance(field, datetime) else field
        for name, field in dataclasses.asdict(value).items()
    }
