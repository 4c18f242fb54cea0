"""Every error a client can meet, and the one table from exception to wire.

A client program goes by ``code``, which never changes; ``error`` is for people.
Over HTTP the status code, on a WebSocket the close code go with it. An exception
that is not in the table is a defect and becomes ``internal_error``.
"""

from typing import NamedTuple

from api.audio.formats import DecodeError
from storage.errors import (
    FencedError,
    OwnedElsewhereError,
    RecordingNotFoundError,
    StorageUnavailableError,
)


class ServiceError(Exception):
    """An error with something to say to the client beyond its text."""

    session_id: str | None = None
    valid_values: tuple[int | str, ...] | None = None


class InvalidParameterError(ServiceError):
    """A parameter of a request has a value it cannot have."""

    def __init__(self, parameter: str, valid_values: tuple[int | str, ...] | None = None) -> None:
        super().__init__(f"Invalid {parameter.replace('_', ' ')}")
        self.parameter = parameter
        self.valid_values = valid_values


class SessionNotFoundError(ServiceError):
    def __init__(self, session_id: str) -> None:
        super().__init__("Session not found")
        self.session_id = session_id


class SessionCompletedError(ServiceError):
    """The session has ended: nothing can be added to it."""

    def __init__(self, session_id: str) -> None:
        super().__init__("Session is completed")
        self.session_id = session_id


class SessionDeletedError(ServiceError):
    def __init__(self, session_id: str) -> None:
        super().__init__("Session was deleted")
        self.session_id = session_id


class TooManySessionsError(ServiceError):
    def __init__(self, limit: int) -> None:
        super().__init__(f"All {limit} sessions are in use, try again later")


class TooManyConnectionsError(ServiceError):
    def __init__(self, limit: int) -> None:
        super().__init__(f"All {limit} connections of this session are in use, try again later")


class ConnectionIdleError(ServiceError):
    def __init__(self, seconds: float) -> None:
        super().__init__(f"Nothing was received for {seconds:g} seconds")


class ConnectionReplacedError(ServiceError):
    def __init__(self) -> None:
        super().__init__("Another connection resumed this session")


class ChunkTooLargeError(ServiceError):
    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"A chunk of {size_bytes} bytes is larger than {limit_bytes}")


class InvalidMessageError(ServiceError):
    def __init__(self, actions: tuple[str, ...]) -> None:
        super().__init__("Invalid control message")
        self.valid_values = actions


class UrlExpiredError(ServiceError):
    def __init__(self) -> None:
        super().__init__("This link has expired")


class InvalidSignatureError(ServiceError):
    def __init__(self) -> None:
        super().__init__("This link was not made by this service")


class RangeNotSatisfiableError(ServiceError):
    def __init__(self, size_bytes: int) -> None:
        super().__init__(f"No such range in {size_bytes} bytes")
        self.size_bytes = size_bytes


class NodeUnreachableError(ServiceError):
    """The node that has the session does not answer; another takes over when its lease ends."""

    def __init__(self) -> None:
        super().__init__("The node that has this session does not answer: try again")


class AuthenticationRequiredError(ServiceError):
    def __init__(self) -> None:
        super().__init__("Authentication required")


class InvalidCredentialsError(ServiceError):
    """A key or token that is unknown, or was bent, or is meant for somebody else."""

    def __init__(self) -> None:
        super().__init__("These credentials are not valid")


class CredentialsExpiredError(ServiceError):
    def __init__(self) -> None:
        super().__init__("These credentials have expired")


class AuthenticationUnavailableError(ServiceError):
    """The keys of the identity provider cannot be had."""

    def __init__(self) -> None:
        super().__init__("Credentials cannot be checked now: try again")


class NotAllowedError(ServiceError):
    def __init__(self, what: str) -> None:
        super().__init__(f"Not allowed: {what}")


class OriginNotAllowedError(ServiceError):
    def __init__(self) -> None:
        super().__init__("Pages of this origin may not use the service (ALLOWED_ORIGINS)")


class HostNotAllowedError(ServiceError):
    def __init__(self) -> None:
        super().__init__("An open service answers on loopback only (AUTH_MODE)")


class RateLimitedError(ServiceError):
    def __init__(self, retry_after_seconds: int = 60) -> None:
        super().__init__("Too many requests, try again later")
        self.retry_after_seconds = retry_after_seconds


class WireError(NamedTuple):
    """How an error reaches the client. An empty ``error`` stands for the exception's own text."""

    code: str
    http_status: int
    close_code: int
    error: str = ""


INTERNAL = WireError("internal_error", 500, 1011, "Internal server error")

_MOVED = WireError("session_moved", 503, 1012, "Another node has this session: connect again")

TABLE: dict[type[Exception], WireError] = {
    InvalidParameterError: WireError("invalid_{parameter}", 422, 1008),
    SessionNotFoundError: WireError("session_not_found", 404, 1008),
    RecordingNotFoundError: WireError("session_not_found", 404, 1008, "Session not found"),
    SessionCompletedError: WireError("session_completed", 409, 1008),
    SessionDeletedError: WireError("session_deleted", 404, 1008),
    TooManySessionsError: WireError("too_many_sessions", 503, 1013),
    TooManyConnectionsError: WireError("too_many_connections", 503, 1013),
    ConnectionIdleError: WireError("connection_idle", 408, 1001),
    ConnectionReplacedError: WireError("connection_replaced", 409, 4103),
    ChunkTooLargeError: WireError("chunk_too_large", 413, 1009),
    InvalidMessageError: WireError("invalid_message", 422, 1008),
    DecodeError: WireError("decode_failed", 422, 1008),
    UrlExpiredError: WireError("url_expired", 403, 1008),
    InvalidSignatureError: WireError("invalid_signature", 403, 1008),
    AuthenticationRequiredError: WireError("authentication_required", 401, 1008),
    InvalidCredentialsError: WireError("invalid_credentials", 401, 1008),
    CredentialsExpiredError: WireError("credentials_expired", 401, 1008),
    AuthenticationUnavailableError: WireError("authentication_unavailable", 503, 1013),
    NotAllowedError: WireError("not_allowed", 403, 1008),
    OriginNotAllowedError: WireError("origin_not_allowed", 403, 1008),
    HostNotAllowedError: WireError("host_not_allowed", 421, 1008),
    RateLimitedError: WireError("rate_limited", 429, 1013),
    RangeNotSatisfiableError: WireError("range_not_satisfiable", 416, 1008),
    FencedError: _MOVED,
    OwnedElsewhereError: _MOVED,
    NodeUnreachableError: WireError("node_unreachable", 503, 1012),
    StorageUnavailableError: WireError(
        "storage_unavailable", 503, 1011, "The storage does not answer"
    ),
}


def to_wire_error(error: Exception) -> WireError:
    """Return the row of the table for ``error``, with its text filled in."""
    row = next((TABLE[each] for each in type(error).__mro__ if each in TABLE), INTERNAL)
    if isinstance(error, InvalidParameterError):
        row = row._replace(code=row.code.format(parameter=error.parameter))
    return row if row.error else row._replace(error=str(error))
