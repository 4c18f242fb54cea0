"""Answers to refused requests. Each one that denies something has a line in the audit log."""

from typing import Any

from litestar import Request, Response
from litestar.types import Scope, Send

from api.access.audit import audit
from api.wire import error_answers
from api.wire.errors import TABLE, to_wire_error
from api.wire.messages import ErrorBody

# Unknown or bad credentials, no permission, a host that is not allowed, a rate limit.
_DENIED = {401, 403, 421, 429}

# A shared link that was revoked, or an address that was guessed.
_DENIED_CODES = {"link_not_found"}

# The codes of errors that deny something. For a session of another user it is "not found".
DENIALS = {
    *(row.code for row in TABLE.values() if row.http_status in _DENIED),
    "session_not_found",
    *_DENIED_CODES,
}


def audit_denial(scope: Scope, error: Exception) -> None:
    """Write ``denied`` to the audit log if ``error`` denies the caller something."""
    row = to_wire_error(error)
    if row.http_status in _DENIED or row.code in _DENIED_CODES:
        session_id = scope.get("path_params", {}).get("session_id")
        audit("denied", scope["user"], session_id, reason=str(error))
        scope["litestar_app"].state.metrics.denied.add(row.code)


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[ErrorBody]:
    """Return the HTTP response for an error of a handler or of the framework."""
    audit_denial(request.scope, error)
    return error_answers.answer_error(request, error)


async def refuse(scope: Scope, send: Send, error: Exception) -> None:
    """Send the error response to a request or a WebSocket handshake, without its handler."""
    audit_denial(scope, error)
    await error_answers.refuse(scope, send, error)
