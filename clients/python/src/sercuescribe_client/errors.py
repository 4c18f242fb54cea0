"""All errors of the client, one class for each code.

Each class names its code, which is a code of the service or one of the client itself;
``error_from_code`` finds the class of a code. Programs should check the class or ``code``; the text
is for people. A session retries after an error that is not ``is_final``.
"""

import socket
from collections.abc import Mapping
from typing import Any, ClassVar

# After these close codes and refusals, a retry would have the same result.
FINAL_CLOSE_CODES = frozenset({1000, 1008, 1009, 4103})
FINAL_HTTP_STATUSES = frozenset({400, 401, 403, 404, 405, 410, 421, 422})


class SercueScribeError(Exception):
    """The base class of all errors: ``code`` for programs, ``message`` for people."""

    class_by_code: ClassVar[dict[str, type["SercueScribeError"]]] = {}
    is_final = True
    retry_after_seconds: float = 0
    valid_values: tuple[int | str, ...] = ()

    def __init_subclass__(cls, *, code: str, is_final: bool = True) -> None:
        super().__init_subclass__()
        cls.is_final = is_final
        cls.class_by_code[code] = cls

    def __init__(self, code: str, message: str, session_id: str | None = None) -> None:
        super().__init__(code, message, session_id)
        self.code = code
        self.message = message
        self.session_id = session_id

    def __str__(self) -> str:
        valid = f" (valid: {', '.join(map(str, self.valid_values))})" if self.valid_values else ""
        return self.message + valid


class InvalidParameterError(SercueScribeError, code="invalid_parameter"):
    """A parameter has an invalid value; the code is ``invalid_`` and its name."""


class SessionNotFoundError(SercueScribeError, code="session_not_found"):
    """The session does not exist, or belongs to another user."""


class SessionCompletedError(SercueScribeError, code="session_completed"):
    """The session is completed and takes no more audio."""


class SessionDeletedError(SercueScribeError, code="session_deleted"):
    """The session was deleted while it was being recorded."""


class TooManySessionsError(SercueScribeError, code="too_many_sessions", is_final=False):
    """The service has reached its limit of active sessions."""


class TooManyUserSessionsError(SercueScribeError, code="too_many_user_sessions", is_final=False):
    """The user has reached the limit of active sessions."""


class TooManyReadersError(SercueScribeError, code="too_many_readers", is_final=False):
    """The caller has reached its limit of downloads and other answers that are read slowly."""


class DiskReserveError(SercueScribeError, code="disk_reserve", is_final=False):
    """The disk of the service is nearly full: it takes no new session."""


class TooManyConnectionsError(SercueScribeError, code="too_many_connections", is_final=False):
    """The session has reached its limit of connections."""


class AuthenticationRequiredError(SercueScribeError, code="authentication_required"):
    """The service requires a key or token."""


class InvalidCallError(SercueScribeError, code="invalid_call"):
    """What a telephone platform sends cannot be recorded."""


class InvalidCredentialsError(SercueScribeError, code="invalid_credentials"):
    """The service does not know this key or token."""


class CredentialsExpiredError(SercueScribeError, code="credentials_expired"):
    """The token has expired."""


class AuthenticationUnavailableError(
    SercueScribeError, code="authentication_unavailable", is_final=False
):
    """The service cannot check credentials now."""


class AuthorizationUnavailableError(
    SercueScribeError, code="authorization_unavailable", is_final=False
):
    """The service cannot find out now whether this session is allowed."""


class NotAllowedError(SercueScribeError, code="not_allowed"):
    """The credentials do not allow this request."""


class OriginNotAllowedError(SercueScribeError, code="origin_not_allowed"):
    """Pages of this origin may not use the service."""


class HostNotAllowedError(SercueScribeError, code="host_not_allowed"):
    """A service without authentication was called by a host name other than loopback."""


class RateLimitedError(SercueScribeError, code="rate_limited", is_final=False):
    """Too many requests; ``retry_after_seconds`` is the delay before a retry."""


class ConnectionIdleError(SercueScribeError, code="connection_idle", is_final=False):
    """The service closed the connection because it was silent for too long."""


class ConnectionReplacedError(SercueScribeError, code="connection_replaced"):
    """Another connection resumed this session."""


class ChunkTooLargeError(SercueScribeError, code="chunk_too_large"):
    """The chunk is larger than the service accepts."""


class InvalidMessageError(SercueScribeError, code="invalid_message"):
    """The service did not understand a control message."""


class DecodeFailedError(SercueScribeError, code="decode_failed", is_final=False):
    """The service could not decode the audio. The session continues."""


class DecoderLostError(SercueScribeError, code="decoder_lost", is_final=False):
    """The decoder of the service ended unexpectedly: the session goes on after a resume."""


class UrlExpiredError(SercueScribeError, code="url_expired"):
    """The download link has expired."""


class InvalidSignatureError(SercueScribeError, code="invalid_signature"):
    """The signature of the download link is invalid."""


class SessionActiveError(SercueScribeError, code="session_active"):
    """The session still records; only a completed session can be shared."""


class SessionHeldError(SercueScribeError, code="session_held"):
    """The session has a hold: it can be deleted after an admin lifts it."""


class TooManyMarksError(SercueScribeError, code="too_many_marks"):
    """The session has reached its limit of marks. Its recording goes on."""


class LinkNotFoundError(SercueScribeError, code="link_not_found"):
    """The shared link does not exist, or was revoked."""


class TooManyLinksError(SercueScribeError, code="too_many_links"):
    """The session has reached its limit of shared links."""


class RangeNotSatisfiableError(SercueScribeError, code="range_not_satisfiable"):
    """The requested range begins after the end of the file."""


class SessionMovedError(SercueScribeError, code="session_moved", is_final=False):
    """Another node has taken over the session."""


class NodeUnreachableError(SercueScribeError, code="node_unreachable", is_final=False):
    """The node that owns the session does not answer."""


class StorageUnavailableError(SercueScribeError, code="storage_unavailable", is_final=False):
    """The service cannot write to its storage now."""


class StorageFailedError(SercueScribeError, code="storage_failed", is_final=False):
    """The disk of the service failed: what is not persisted is sent again."""


class SessionDamagedError(SercueScribeError, code="session_damaged"):
    """What the service has stored of the session is damaged."""


class InternalServerError(SercueScribeError, code="internal_error", is_final=False):
    """The service failed with an internal error."""


class UnreachableError(SercueScribeError, code="unreachable", is_final=False):
    """The service or the network does not answer. Only the client uses this code."""


class HostNotFoundError(UnreachableError, code="host_not_found"):
    """The name of the service does not resolve. A session that was connected retries anyway."""


class GaveUpError(SercueScribeError, code="gave_up"):
    """The session could not be delivered in time; the text gives the counts reached."""


class ChunksLostError(SercueScribeError, code="chunks_lost"):
    """The service lost chunks from before this client attached; the client cannot send them."""


class SessionSharedError(SercueScribeError, code="session_shared"):
    """Another client sends to the same session, so its counts do not apply to this client."""


def error_from_code(code: str, message: str, session_id: str | None = None) -> SercueScribeError:
    """Return the error for ``code``: a plain :class:`SercueScribeError` if it is unknown."""
    known = SercueScribeError.class_by_code.get(code)
    if known is None and code.startswith("invalid_"):
        known = InvalidParameterError
    return (known or SercueScribeError)(code, message, session_id)


def unreachable_error(url: str, error: BaseException) -> UnreachableError:
    """Return the error of a request to ``url`` that ``error`` ended before an answer came."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            text = f"{url}: the name does not resolve; check the address"
            return HostNotFoundError("host_not_found", text)
        cause = cause.__cause__ or cause.__context__
    return UnreachableError("unreachable", f"{url}: {error or type(error).__name__}")


def error_from_json(fields: Mapping[str, Any]) -> SercueScribeError:
    """Return the error of a message from the service or of the body of an HTTP response."""
    error = error_from_code(fields["code"], fields["error"], fields.get("session_id"))
    error.valid_values = tuple(fields.get("valid_values") or ())
    return error
