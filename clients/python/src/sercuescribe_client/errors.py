"""Every error there is, one class for each code.

The classes are the table: a code of the server, or one of the client's own, stands beside its
class, and ``error_from_code`` finds the class of a code. Programs go by class or ``code``; the
text is for people. A session retries after an error that is not ``is_final``.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

# After these close codes and refusals the same request would end the same way.
FINAL_CLOSE_CODES = frozenset({1000, 1008, 1009, 4103})
FINAL_HTTP_STATUSES = frozenset({400, 401, 403, 404, 405, 410, 421, 422})


class SercueScribeError(Exception):
    """Something could not be done: ``code`` for programs, ``message`` for people."""

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
    """A parameter has a value it cannot have; its code is ``invalid_`` and the parameter."""


class SessionNotFoundError(SercueScribeError, code="session_not_found"):
    """There is no such session, or it is somebody else's."""


class SessionCompletedError(SercueScribeError, code="session_completed"):
    """The session has ended: nothing can be added to it."""


class SessionDeletedError(SercueScribeError, code="session_deleted"):
    """The session was deleted while it was being recorded."""


class TooManySessionsError(SercueScribeError, code="too_many_sessions", is_final=False):
    """The service has as many active sessions as it takes."""


class TooManyConnectionsError(SercueScribeError, code="too_many_connections", is_final=False):
    """The session has as many connections as it takes."""


class AuthenticationRequiredError(SercueScribeError, code="authentication_required"):
    """The service asks for a key or token."""


class InvalidCredentialsError(SercueScribeError, code="invalid_credentials"):
    """The service does not know this key or token."""


class CredentialsExpiredError(SercueScribeError, code="credentials_expired"):
    """The token was good once."""


class AuthenticationUnavailableError(
    SercueScribeError, code="authentication_unavailable", is_final=False
):
    """The service cannot check credentials now."""


class NotAllowedError(SercueScribeError, code="not_allowed"):
    """These credentials are for something else."""


class OriginNotAllowedError(SercueScribeError, code="origin_not_allowed"):
    """Pages of this origin may not use the service."""


class HostNotAllowedError(SercueScribeError, code="host_not_allowed"):
    """An open service was asked for by a name that is not loopback."""


class RateLimitedError(SercueScribeError, code="rate_limited", is_final=False):
    """Too many requests; ``retry_after_seconds`` says when to come back."""


class ConnectionIdleError(SercueScribeError, code="connection_idle", is_final=False):
    """The service heard nothing for too long."""


class ConnectionReplacedError(SercueScribeError, code="connection_replaced"):
    """Somebody else resumed this session."""


class ChunkTooLargeError(SercueScribeError, code="chunk_too_large"):
    """The service does not take chunks of this size."""


class InvalidMessageError(SercueScribeError, code="invalid_message"):
    """The service did not understand a control message."""


class DecodeFailedError(SercueScribeError, code="decode_failed", is_final=False):
    """The bytes are not the audio they should be. The session goes on."""


class UrlExpiredError(SercueScribeError, code="url_expired"):
    """A download link after its time."""


class InvalidSignatureError(SercueScribeError, code="invalid_signature"):
    """A download link that the service did not make."""


class RangeNotSatisfiableError(SercueScribeError, code="range_not_satisfiable"):
    """A range that begins after the end of the file."""


class SessionMovedError(SercueScribeError, code="session_moved", is_final=False):
    """Another node has taken the session over."""


class NodeUnreachableError(SercueScribeError, code="node_unreachable", is_final=False):
    """The node that has the session does not answer."""


class StorageUnavailableError(SercueScribeError, code="storage_unavailable", is_final=False):
    """The service cannot write now."""


class InternalServerError(SercueScribeError, code="internal_error", is_final=False):
    """A defect of the service."""


class UnreachableError(SercueScribeError, code="unreachable", is_final=False):
    """No answer: the service is down, or the network is. A code of the client's own."""


class GaveUpError(SercueScribeError, code="gave_up"):
    """The session could not be delivered in time; the text says how far it got."""


class ChunksLostError(SercueScribeError, code="chunks_lost"):
    """The service lacks chunks from before this client attached; nobody here has them."""


class SessionSharedError(SercueScribeError, code="session_shared"):
    """Somebody else sends to the session, too, so its counts say nothing of ours."""


def error_from_code(code: str, message: str, session_id: str | None = None) -> SercueScribeError:
    """Return the error of that code: a plain :class:`SercueScribeError` if it is unknown."""
    known = SercueScribeError.class_by_code.get(code)
    if known is None and code.startswith("invalid_"):
        known = InvalidParameterError
    return (known or SercueScribeError)(code, message, session_id)


def error_from_json(fields: Mapping[str, Any]) -> SercueScribeError:
    """Return the error of a message from the service or of the body of an HTTP response."""
    error = error_from_code(fields["code"], fields["error"], fields.get("session_id"))
    error.valid_values = tuple(fields.get("valid_values") or ())
    return error
