"""All errors that a client can get, and the table of their codes, HTTP statuses and close codes.

Client programs use ``code``, which never changes; ``error`` is text for people. The text is also
the reason in the close frame, so it has at most 123 bytes. An exception that is not in the table is
a defect and becomes ``internal_error``.
"""

from typing import NamedTuple

from api.audio.formats import DecodeError, DecoderLostError
from storage.errors import (
    BadObjectError,
    FencedError,
    OwnedElsewhereError,
    RecordingNotFoundError,
    SessionHeldError,
    StorageUnavailableError,
    SyncFailedError,
)


class ServiceError(Exception):
    """An error with details for the client: a session id, valid values."""

    session_id: str | None = None
    valid_values: tuple[int | str, ...] | None = None


class InvalidParameterError(ServiceError):
    """The value of a request parameter is not valid."""

    def __init__(self, parameter: str, valid_values: tuple[int | str, ...] | None = None) -> None:
        super().__init__(f"Invalid {parameter.replace('_', ' ')}")
        self.parameter = parameter
        self.valid_values = valid_values


class SessionNotFoundError(ServiceError):
    """No session has this id: check the id."""

    def __init__(self, session_id: str) -> None:
        super().__init__("Session not found")
        self.session_id = session_id


class SessionCompletedError(ServiceError):
    """The session is completed or ending and accepts no more chunks."""

    def __init__(self, session_id: str) -> None:
        super().__init__("Session is completed")
        self.session_id = session_id


class SessionDeletedError(ServiceError):
    """The session was deleted, and its audio with it."""

    def __init__(self, session_id: str) -> None:
        super().__init__("Session was deleted")
        self.session_id = session_id


class TooManySessionsError(ServiceError):
    """The service has as many active sessions as it may have (MAX_CONCURRENT_SESSIONS)."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"All {limit} sessions are active, try again later")


class TooManyUserSessionsError(ServiceError):
    """The user has as many active sessions as one user may have: close one."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"All {limit} sessions of this user are active, close one")


class DiskReserveError(ServiceError):
    """The disk is nearly full: sessions go on, but the service creates no new one."""

    def __init__(self, free_mb: int, min_free_mb: int) -> None:
        super().__init__(
            f"The disk has {free_mb} MiB free, new sessions need {min_free_mb} (MIN_FREE_DISK_MB)"
        )


class TooManyConnectionsError(ServiceError):
    """The session has as many connections as it may have (MAX_CONNECTIONS_PER_SESSION)."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The session has {limit} connections, close one or try again later")


class TooManyReadersError(ServiceError):
    """The caller has as many downloads, conversions, waveforms and listeners as it may have."""

    retry_after_seconds = 5

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} downloads or listeners are running, end one or try again later")


class ConnectionIdleError(ServiceError):
    """The client sent nothing for too long. The session stays active: connect again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"No message was received for {seconds:g} seconds")


class ConnectionReplacedError(ServiceError):
    """Another connection has resumed the input stream: do not connect again."""

    def __init__(self) -> None:
        super().__init__("Another connection resumed this session")


class ChunkTooLargeError(ServiceError):
    """The chunk is too large and is not recorded: send smaller ones."""

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"The chunk has {size_bytes} bytes, the maximum is {limit_bytes}")


class TooManyMarksError(ServiceError):
    """The session has as many marks as it may have. Its recording goes on."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The session has {limit} marks, which is the maximum")


class InvalidMessageError(ServiceError):
    """A text message is not a JSON control message with one of the valid actions."""

    def __init__(self, actions: tuple[str, ...]) -> None:
        super().__init__("Invalid control message")
        self.valid_values = actions


class InvalidCallError(ServiceError):
    """What a telephone platform sends cannot be recorded.

    The text is cut so that it fits a close frame.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason.encode()[:120].decode(errors="ignore"))


class UrlExpiredError(ServiceError):
    """The link, signed or shared, has ended: request a new one."""

    def __init__(self) -> None:
        super().__init__("The link has expired, request a new one")


class InvalidSignatureError(ServiceError):
    """The signed link was altered, or is for something else: request a new one."""

    def __init__(self) -> None:
        super().__init__("The signature of the link is not valid, request a new link")


class SessionActiveError(ServiceError):
    """The session is still recording, and only completed recordings can be shared."""

    def __init__(self, session_id: str) -> None:
        super().__init__("Session is still recording, close it first")
        self.session_id = session_id


class LinkNotFoundError(ServiceError):
    """The shared link was revoked or never existed, or its session was deleted."""

    def __init__(self) -> None:
        super().__init__("The link does not exist, or it was revoked")


class TooManyLinksError(ServiceError):
    """The session has as many shared links as it may have: revoke one, or wait until one ends."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The session has {limit} links that have not ended, revoke one")


class RangeNotSatisfiableError(ServiceError):
    """The Range header names no byte of the file."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(f"The range is outside the {size_bytes} bytes of the file")
        self.size_bytes = size_bytes


class NodeUnreachableError(ServiceError):
    """The owner of the session does not answer; another node takes over after its lease expires."""

    def __init__(self) -> None:
        super().__init__("The node that owns the session does not answer, try again")


class AuthenticationRequiredError(ServiceError):
    """The request has no key or token, and the service needs one."""

    def __init__(self) -> None:
        super().__init__("Authentication required")


class InvalidCredentialsError(ServiceError):
    """The key or token is unknown, malformed or altered, or has another issuer or audience."""

    def __init__(self) -> None:
        super().__init__("The credentials are not valid")


class CredentialsExpiredError(ServiceError):
    """The token was valid and has expired: connect again with a new one."""

    def __init__(self) -> None:
        super().__init__("The credentials have expired, request new ones")


class AuthenticationUnavailableError(ServiceError):
    """The keys of the identity provider (JWKS) cannot be read."""

    def __init__(self) -> None:
        super().__init__("Credentials cannot be checked now, try again later")


class AuthorizationUnavailableError(ServiceError):
    """AUTHORIZE_URL does not answer, so no session is created."""

    def __init__(self) -> None:
        super().__init__("New sessions cannot be authorized now, try again later")


class NotAllowedError(ServiceError):
    """The credentials are valid, but do not allow this request. The text names what is missing."""

    def __init__(self, what: str) -> None:
        super().__init__(f"Not allowed: {what}")


class OriginNotAllowedError(ServiceError):
    """The request comes from a web page of an origin that is not in ALLOWED_ORIGINS."""

    def __init__(self) -> None:
        super().__init__("Pages of this origin are not allowed (ALLOWED_ORIGINS)")


class HostNotAllowedError(ServiceError):
    """The service has no authentication, and its Host header is none of ALLOWED_HOSTS."""

    def __init__(self, host: str) -> None:
        name = f"{host[:40]}…" if len(host) > 40 else host
        super().__init__(f"Host {name!r} is not allowed: add it to ALLOWED_HOSTS, or set AUTH_MODE")


class RateLimitedError(ServiceError):
    """The caller sends too many requests: wait as long as Retry-After says."""

    def __init__(self, retry_after_seconds: int = 60) -> None:
        super().__init__("Too many requests, try again later")
        self.retry_after_seconds = retry_after_seconds


class WireError(NamedTuple):
    """What a client gets for an error. If ``error`` is empty, it gets the exception's text."""

    code: str
    http_status: int
    close_code: int
    error: str = ""


INTERNAL = WireError("internal_error", 500, 1011, "Internal server error")

_MOVED = WireError("session_moved", 503, 1012, "Another node owns this session, connect again")

TABLE: dict[type[Exception], WireError] = {
    InvalidParameterError: WireError("invalid_{parameter}", 422, 1008),
    SessionNotFoundError: WireError("session_not_found", 404, 1008),
    RecordingNotFoundError: WireError("session_not_found", 404, 1008, "Session not found"),
    SessionCompletedError: WireError("session_completed", 409, 1008),
    SessionActiveError: WireError("session_active", 409, 1008),
    SessionHeldError: WireError(
        "session_held", 409, 1008, "The session has a hold: it is deleted after an admin lifts it"
    ),
    SessionDeletedError: WireError("session_deleted", 404, 1008),
    TooManySessionsError: WireError("too_many_sessions", 503, 1013),
    TooManyUserSessionsError: WireError("too_many_user_sessions", 429, 1013),
    DiskReserveError: WireError("disk_reserve", 503, 1013),
    TooManyConnectionsError: WireError("too_many_connections", 503, 1013),
    TooManyReadersError: WireError("too_many_readers", 429, 1013),
    ConnectionIdleError: WireError("connection_idle", 408, 1001),
    ConnectionReplacedError: WireError("connection_replaced", 409, 4103),
    ChunkTooLargeError: WireError("chunk_too_large", 413, 1009),
    TooManyMarksError: WireError("too_many_marks", 409, 1008),
    InvalidMessageError: WireError("invalid_message", 422, 1008),
    InvalidCallError: WireError("invalid_call", 422, 1008),
    DecodeError: WireError("decode_failed", 422, 1008),
    DecoderLostError: WireError(
        "decoder_lost", 503, 1011, "The decoder ended unexpectedly, resume the session"
    ),
    UrlExpiredError: WireError("url_expired", 403, 1008),
    InvalidSignatureError: WireError("invalid_signature", 403, 1008),
    LinkNotFoundError: WireError("link_not_found", 404, 1008),
    TooManyLinksError: WireError("too_many_links", 409, 1008),
    AuthenticationRequiredError: WireError("authentication_required", 401, 1008),
    InvalidCredentialsError: WireError("invalid_credentials", 401, 1008),
    CredentialsExpiredError: WireError("credentials_expired", 401, 1008),
    AuthenticationUnavailableError: WireError("authentication_unavailable", 503, 1013),
    AuthorizationUnavailableError: WireError("authorization_unavailable", 503, 1013),
    NotAllowedError: WireError("not_allowed", 403, 1008),
    OriginNotAllowedError: WireError("origin_not_allowed", 403, 1008),
    HostNotAllowedError: WireError("host_not_allowed", 421, 1008),
    RateLimitedError: WireError("rate_limited", 429, 1013),
    RangeNotSatisfiableError: WireError("range_not_satisfiable", 416, 1008),
    FencedError: _MOVED,
    OwnedElsewhereError: _MOVED,
    NodeUnreachableError: WireError("node_unreachable", 503, 1012),
    SyncFailedError: WireError("storage_failed", 503, 1011),
    BadObjectError: WireError(
        "session_damaged", 503, 1008, "What is stored of the session is damaged, see the log"
    ),
    StorageUnavailableError: WireError(
        "storage_unavailable", 503, 1011, "Storage is not available, try again later"
    ),
}


# What a connection can end with: besides those of the table the ordinary end, violations of the
# protocol, and of RFC 6455, section 7.4.1, "no code" and "no close frame".
CLOSE_CODES = frozenset(
    {1000, 1002, 1005, 1006, 1007, 1012} | {row.close_code for row in (*TABLE.values(), INTERNAL)}
)


def to_wire_error(error: Exception) -> WireError:
    """Return the row for ``error`` or its base class, with its text; else `INTERNAL`."""
    row = next((TABLE[each] for each in type(error).__mro__ if each in TABLE), INTERNAL)
    if isinstance(error, InvalidParameterError):
        row = row._replace(code=row.code.format(parameter=error.parameter))
    return row if row.error else row._replace(error=str(error))
