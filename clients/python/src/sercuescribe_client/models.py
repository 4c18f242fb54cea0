"""Values that the client returns. Unknown fields of the service's JSON are ignored."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self

Status = Literal["active", "completed"]

_NEW_FIELDS = {"title", "metadata", "receipt"}  # release 0.2.0 of the service does not send them


@dataclass(frozen=True, slots=True)
class Progress:
    """The counts of a session, from its first chunk on."""

    chunks: int  # handed to send()
    acked: int  # these survive a crash of the service process
    persisted: int  # these survive the loss of the node
    duration_seconds: float  # recorded so far
    unpersisted_bytes: int  # bytes in the client's memory
    is_connected: bool


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
    receipt: Mapping[str, Any] | None = None  # of a completed session

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        names = {field.name for field in dataclasses.fields(cls)}
        known = {name: fields[name] for name in names - (_NEW_FIELDS - fields.keys())}
        completed_at = known["completed_at"]
        known["created_at"] = datetime.fromisoformat(known["created_at"])
        known["completed_at"] = datetime.fromisoformat(completed_at) if completed_at else None
        known["warnings"] = tuple(map(SessionWarning.from_json, known["warnings"]))
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in dataclasses.asdict(self).items()
        }
