"""Error bodies and messages: over HTTP, on a WebSocket, and for requests refused by middleware.

The texts and codes come from the table in `api.wire.errors`.
"""

import logging
from collections.abc import Iterable
from typing import Any, Literal, get_args, get_origin, get_type_hints

from litestar import MediaType, Request, Response
from litestar.enums import ScopeType
from litestar.exceptions import ClientException, HTTPException, ValidationException
from litestar.status_codes import HTTP_400_BAD_REQUEST, HTTP_401_UNAUTHORIZED
from litestar.types import Scope, Send

from api.audio.formats import DecodeError
from api.wire.errors import (
    INTERNAL,
    InvalidParameterError,
    RangeNotSatisfiableError,
    RateLimitedError,
    TooManyReadersError,
    to_wire_error,
)
from api.wire.messages import ErrorBody, ErrorMessage, SessionCounts, encode
from storage.errors import BadObjectError

logger = logging.getLogger(__name__)


def error_body(error: Exception) -> ErrorBody:
    """Return the body of the HTTP response for ``error``."""
    row = to_wire_error(error)
    return ErrorBody(
        error=row.error,
        code=row.code,
        session_id=getattr(error, "session_id", None),
        valid_values=_valid_values(error),
    )


def error_message(error: Exception, counts: SessionCounts | None) -> ErrorMessage:
    """Return the WebSocket message for ``error``, with the counts of the session if given."""
    row = to_wire_error(error)
    message = ErrorMessage(
        message="Failed to process chunk" if isinstance(error, DecodeError) else row.error,
        session_id=getattr(error, "session_id", None),
        status="error",
        error=row.error,
        code=row.code,
    )
    if counts is not None:
        counts.apply_to(message)
    if (valid_values := _valid_values(error)) is not None:
        message.valid_values = valid_values
    return message


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[ErrorBody]:
    """Return the HTTP response for an error of a handler or of the framework.

    The framework's errors for bad parameters and bodies become `InvalidParameterError`.
    """
    if isinstance(error, ValidationException):
        parameter = _refused_parameter(error)
        error = InvalidParameterError(parameter, _choices(request, parameter) or None)
    elif isinstance(error, RecursionError) or (
        isinstance(error, ClientException) and error.status_code == HTTP_400_BAD_REQUEST
    ):
        error = InvalidParameterError("body")
    if not isinstance(error, HTTPException) and to_wire_error(error) is INTERNAL:
        logger.error(
            "Request failed: method=%s path=%s",
            request.method,
            request.url.path,
            exc_info=error,
        )
    elif isinstance(error, BadObjectError):
        logger.error(
            "Request failed: method=%s path=%s error=%s", request.method, request.url.path, error
        )
    status, body, headers = _answer(error)
    return Response(body, status_code=status, media_type=MediaType.JSON, headers=headers)


async def refuse(scope: Scope, send: Send, error: Exception) -> None:
    """Send the error response to a request or a WebSocket handshake, without its handler."""
    status, body, headers = _answer(error)
    content = encode(body)
    headers = {"content-type": "application/json", "content-length": str(len(content)), **headers}
    kind = "http" if scope["type"] == ScopeType.HTTP else "websocket.http"
    await send({
        "type": f"{kind}.response.start",
        "status": status,
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    })  # type: ignore[arg-type,misc]  # fmt: skip
    await send({"type": f"{kind}.response.body", "body": content})  # type: ignore[arg-type]


def _answer(error: Exception) -> tuple[int, ErrorBody, dict[str, str]]:
    """Return status, body and headers for an error of the table or of the framework."""
    if isinstance(error, HTTPException):
        code = error.detail.lower().replace(" ", "_")
        body = ErrorBody(error=error.detail, code=code)
        headers = dict(error.headers or {})
        if "allow" in headers:
            headers["allow"] = allow(headers["allow"].split(", "))
        return error.status_code, body, headers
    return to_wire_error(error).http_status, error_body(error), _headers(error)


def allow(methods: Iterable[str]) -> str:
    """Return the ``Allow`` header for the methods of a path's handlers; HEAD goes with GET."""
    allowed = set(methods)
    return ", ".join(sorted(allowed | {"HEAD"} if "GET" in allowed else allowed))


def _headers(error: Exception) -> dict[str, str]:
    if isinstance(error, RangeNotSatisfiableError):
        return {"Content-Range": f"bytes */{error.size_bytes}"}
    if isinstance(error, (RateLimitedError, TooManyReadersError)):
        return {"Retry-After": str(error.retry_after_seconds)}
    if to_wire_error(error).http_status == HTTP_401_UNAUTHORIZED:
        return {"WWW-Authenticate": "Bearer"}
    return {}


def _valid_values(error: Exception) -> list[int | str] | None:
    valid_values = getattr(error, "valid_values", None)
    return None if valid_values is None else list(valid_values)


def _refused_parameter(error: ValidationException) -> str:
    """Return the name of the parameter that the framework refused."""
    if isinstance(error.extra, list) and error.extra:
        key = str(error.extra[0].get("key", "parameters"))
        return "body" if key == "data" else key
    return "body"


def _choices(request: Request[Any, Any, Any], parameter: str) -> tuple[int | str, ...]:
    """Return the valid values of a parameter or of a field of the body, if there is a list."""
    parameters = request.route_handler.parsed_fn_signature.parameters
    types = {name: each.annotation for name, each in parameters.items()}
    for body in get_args(types.get("data")):
        types |= get_type_hints(body) if body is not type(None) else {}
    return _literals(types.get(parameter))


def _literals(annotation: object) -> tuple[int | str, ...]:
    arguments = get_args(annotation)
    if get_origin(annotation) is Literal:
        return arguments
    return tuple(value for each in arguments for value in _literals(each))
