"""The parts of the OpenAPI document that the handlers do not define: title, tags, errors."""

from collections import defaultdict

from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import (
    Components,
    Example,
    SecurityScheme,
    Server,
    Tag,
)
from litestar.status_codes import (
    HTTP_206_PARTIAL_CONTENT,
    HTTP_304_NOT_MODIFIED,
    HTTP_307_TEMPORARY_REDIRECT,
)

from api import __version__
from api.wire.error_answers import error_body
from api.wire.errors import (
    AuthenticationRequiredError,
    AuthenticationUnavailableError,
    CredentialsExpiredError,
    InvalidCredentialsError,
    NotAllowedError,
    SessionNotFoundError,
    to_wire_error,
)
from api.wire.messages import (
    ErrorBody,
)
from storage.errors import StorageUnavailableError

EXAMPLE_ID = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"

AUDIO_RESPONSES = {
    HTTP_206_PARTIAL_CONTENT: ResponseSpec(
        data_container=bytes,
        generate_examples=False,
        media_type="audio/wav",
        description="The requested range",
    ),
    HTTP_304_NOT_MODIFIED: ResponseSpec(None, description="If-None-Match names the current ETag"),
    HTTP_307_TEMPORARY_REDIRECT: ResponseSpec(
        None, description="Redirect to the audio in the bucket"
    ),
}

_OTHER_FORMATS = ("audio/mpeg", "audio/flac", "audio/ogg")

_DESCRIPTION = """
Records live audio from WebSockets, one WAV per session.

This document describes the HTTP endpoints. The [AsyncAPI document]({path}/asyncapi.json) describes
the WebSocket protocol. [ReDoc]({path}/redoc) shows this document without forms to send requests.
"""


# The errors of every endpoint, and of every endpoint of one session.
COMMON_ERRORS = (
    AuthenticationRequiredError(),
    InvalidCredentialsError(),
    CredentialsExpiredError(),
    NotAllowedError("the scope read is required"),
    AuthenticationUnavailableError(),
    StorageUnavailableError(),
)
SESSION_ERRORS = (SessionNotFoundError(EXAMPLE_ID), *COMMON_ERRORS)


def openapi_config(page: OpenAPIRenderPlugin, public_path: str) -> OpenAPIConfig:
    """Return Litestar's configuration of the document; ``page`` renders it at ``/docs``.

    ``public_path`` is the path under which clients reach the service, "" if it is the root.
    """
    return OpenAPIConfig(
        title="SercueScribe",
        version=__version__,
        description=_DESCRIPTION.format(path=public_path),
        servers=[Server(url=public_path or "/")],
        path="/docs",
        render_plugins=[page],
        tags=[
            Tag(name="sessions", description="Sessions, active and completed"),
            Tag(name="recordings", description="The audio of sessions"),
            Tag(name="system", description="For operators"),
        ],
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(type="http", scheme="bearer"),
                "api_key": SecurityScheme(
                    type="apiKey", security_scheme_in="header", name="X-API-Key"
                ),
            }
        ),
        security=[{"bearer": []}, {"api_key": []}, {}],  # {}: none, if authentication is off
    )


def errors(*examples: Exception) -> dict[int, ResponseSpec]:
    """Return the ``responses`` of a handler that may raise any of these errors."""
    by_status: dict[int, list[Example]] = defaultdict(list)
    for error in (*examples, RuntimeError()):
        row = to_wire_error(error)
        example = Example(id=row.code, summary=row.error, value=error_body(error))
        by_status[row.http_status].append(example)
    return {
        status: ResponseSpec(
            data_container=ErrorBody,
            generate_examples=False,
            description=" / ".join(str(example.summary) for example in found),
            examples=found,
        )
        for status, found in by_status.items()
    }
