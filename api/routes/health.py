"""What is not a session: health, the documents that describe the service, errors over HTTP."""

import logging
from typing import Any

from litestar import MediaType, Request, Response, get
from litestar.exceptions import ClientException, HTTPException, ValidationException
from litestar.routes import HTTPRoute
from litestar.status_codes import (
    HTTP_204_NO_CONTENT,
    HTTP_400_BAD_REQUEST,
    HTTP_401_UNAUTHORIZED,
)

from api import __version__
from api.dependencies import Injected
from api.session.registry import Registry
from api.wire import openapi
from api.wire.asyncapi import asyncapi_document
from api.wire.errors import INTERNAL, InvalidParameterError, RangeNotSatisfiableError, wire
from api.wire.messages import ErrorBody, Health, Readiness
from api.wire.openapi import error_body, errors
from storage.base import Storage
from storage.errors import StorageUnavailableError

logger = logging.getLogger(__name__)

HttpRequest = Request[Any, Any, Any]


@get("/health", tags=["system"], summary="Whether the process answers")
async def health(registry: Injected[Registry]) -> Health:
    unpersisted = registry.unpersisted()
    return Health(
        status="ok",
        version=__version__,
        active_sessions=len(registry.live),
        unpersisted_bytes=unpersisted.pcm_bytes,
        unpersisted_seconds=unpersisted.seconds,
    )


@get(
    "/health/ready",
    tags=["system"],
    summary="Whether a session could be recorded: writes to the storage and removes it again",
    responses=errors(StorageUnavailableError()),
)
async def ready(storage: Injected[Storage], registry: Injected[Registry]) -> Readiness:
    await storage.check()
    return Readiness(status="ready", active_sessions=len(registry.live))


@get("/openapi.json", include_in_schema=False)
async def openapi_json(request: HttpRequest) -> dict[str, Any]:
    return request.app.openapi_schema.to_schema()


@get("/asyncapi.json", include_in_schema=False)
async def asyncapi_json() -> dict[str, Any]:
    return asyncapi_document()


@get("/redoc", include_in_schema=False, media_type=MediaType.HTML)
async def redoc(request: HttpRequest) -> bytes:
    return openapi.redoc().render(request, request.app.openapi_schema.to_schema())


async def answer_options(request: HttpRequest) -> Response[None] | None:
    """The methods of a path. Litestar's own answer knows one where a controller has several."""
    if request.method != "OPTIONS":
        return None
    path = request.scope["path_template"]
    methods = {
        method
        for route in request.app.routes
        if isinstance(route, HTTPRoute) and route.path_format == path
        for method in route.methods
    }
    headers = {"Allow": ", ".join(sorted(methods))}
    return Response(None, status_code=HTTP_204_NO_CONTENT, headers=headers)


def answer_error(request: HttpRequest, error: Exception) -> Response[ErrorBody]:
    """Any exception as the body that `api.wire.errors` has for it."""
    if isinstance(error, ValidationException):
        error = InvalidParameterError(_parameter(error))
    elif isinstance(error, RecursionError) or (
        isinstance(error, ClientException) and error.status_code == HTTP_400_BAD_REQUEST
    ):
        error = InvalidParameterError("body")
    elif isinstance(error, HTTPException):
        code = error.detail.lower().replace(" ", "_")
        body = ErrorBody(error=error.detail, code=code)
        return Response(body, status_code=error.status_code, headers=error.headers)
    row = wire(error)
    if row is INTERNAL:
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    headers = {}
    if row.http_status == HTTP_401_UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, RangeNotSatisfiableError):
        headers["Content-Range"] = f"bytes */{error.size_bytes}"
    return Response(
        error_body(error),
        status_code=row.http_status,
        media_type=MediaType.JSON,
        headers=headers,
    )


def _parameter(error: ValidationException) -> str:
    """The name of the parameter that the framework refused."""
    if isinstance(error.extra, list) and error.extra:
        key = str(error.extra[0].get("key", "parameters"))
        return "body" if key == "data" else key
    return "body"
