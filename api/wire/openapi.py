"""What the OpenAPI document says beyond the handlers: its frame, and every error."""

from collections import defaultdict
from datetime import UTC, datetime

import msgspec
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import (
    Components,
    Example,
    OpenAPI,
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    PathItem,
    Reference,
    RequestBody,
    Schema,
    SecurityScheme,
    Tag,
)
from litestar.status_codes import (
    HTTP_200_OK,
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
    CreatedSession,
    CreateSession,
    CreateToken,
    DownloadLink,
    ErrorBody,
    Health,
    Readiness,
    SessionInfo,
    SessionPage,
    SessionResult,
    SessionTokenInfo,
    Waveform,
)
from storage.errors import StorageUnavailableError

EXAMPLE_ID = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"

AUDIO_RESPONSES = {
    HTTP_206_PARTIAL_CONTENT: ResponseSpec(
        data_container=bytes, media_type="audio/wav", description="The range asked for"
    ),
    HTTP_304_NOT_MODIFIED: ResponseSpec(None, description="If-None-Match names the current ETag"),
    HTTP_307_TEMPORARY_REDIRECT: ResponseSpec(None, description="The store has the audio"),
}

_OTHER_FORMATS = ("audio/mpeg", "audio/flac", "audio/ogg")

_DESCRIPTION = """
Live audio in over a WebSocket, one WAV per session out.

The HTTP endpoints are described here. The WebSocket protocol is described by the
[AsyncAPI document](/asyncapi.json). The same pages to read rather than to try: [ReDoc](/redoc).
"""


# Errors that any endpoint may answer with, and those of an endpoint of one session.
COMMON_ERRORS = (
    AuthenticationRequiredError(),
    InvalidCredentialsError(),
    CredentialsExpiredError(),
    NotAllowedError("this takes the scope read"),
    AuthenticationUnavailableError(),
    StorageUnavailableError(),
)
SESSION_ERRORS = (SessionNotFoundError(EXAMPLE_ID), *COMMON_ERRORS)


def openapi_config(page: OpenAPIRenderPlugin) -> OpenAPIConfig:
    """Return the frame of the document; ``page`` shows it at ``/docs``."""
    return OpenAPIConfig(
        title="SercueScribe",
        version=__version__,
        description=_DESCRIPTION,
        path="/docs",
        render_plugins=[page],
        tags=[
            Tag(name="sessions", description="Recordings, live and finished"),
            Tag(name="recordings", description="What they hold"),
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
        security=[{"bearer": []}, {"api_key": []}, {}],  # or none, where the service is open
    )


def errors(*examples: Exception) -> dict[int, ResponseSpec]:
    """The ``responses`` of a handler that may answer with any of these errors."""
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


def complete_document(document: OpenAPI) -> None:
    """Put right what Litestar's generator cannot know.

    Bad parameters are answered with 422 here, and its document always adds a 400 of its own;
    the ids of examples are their keys and no property of OpenAPI's; a body is always required;
    and what a success looks like, it could only make up.
    """
    for address, path in (document.paths or {}).items():
        if address.endswith("/audio"):
            _add_formats(path)
        for operation in (path.get, path.post, path.delete, path.head):
            if operation is not None and operation.responses is not None:
                operation.responses.pop("400", None)
                if isinstance(operation.request_body, RequestBody):
                    operation.request_body.required = False
                for response in operation.responses.values():
                    _drop_example_ids(response)
    _add_other_forms(document)
    for example in _EXAMPLES:
        schema = document.components.schemas[type(example).__name__]
        schema.examples = [msgspec.to_builtins(example)]


def _add_formats(path: PathItem) -> None:
    for operation in (path.get, path.head):
        if operation is not None and operation.responses is not None:
            response = operation.responses[str(HTTP_200_OK)]
            if isinstance(response, OpenAPIResponse) and response.content is not None:
                wav = response.content["audio/wav"]
                response.content |= dict.fromkeys(_OTHER_FORMATS, wav)


def _add_other_forms(document: OpenAPI) -> None:
    """The framework knows one media type for each answer; a waveform has four."""
    waveform = (document.paths or {})["/api/audio/sessions/{session_id}/waveform"].get
    assert waveform is not None
    answer = (waveform.responses or {})["200"]
    assert isinstance(answer, OpenAPIResponse)
    binary = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
    others = ("application/octet-stream", "image/svg+xml", "image/png")
    answer.content = {
        **(answer.content or {}),
        **{media_type: OpenAPIMediaType(schema=binary) for media_type in others},
    }


def _drop_example_ids(response: OpenAPIResponse | Reference) -> None:
    if isinstance(response, OpenAPIResponse):
        for media in (response.content or {}).values():
            for example in (media.examples or {}).values():
                if isinstance(example, Example):
                    example.id = None


_SESSION = SessionInfo(
    session_id=EXAMPLE_ID,
    status="active",
    user_id="user123",
    sample_rate=48000,
    channels=2,
    format="wav",
    total_chunks=42,
    persisted_chunk_count=40,
    duration_seconds=1.75,
    file_path=f"/app/audio_sessions/{EXAMPLE_ID}.wav",
    size_bytes=336080,
    connections=1,
    created_at=datetime(2026, 1, 1, 12, tzinfo=UTC),
    completed_at=None,
    error=None,
)
_TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6InNlc3Npb24rand0In0.e30.c2lnbmF0dXJl"  # noqa: S105 - it opens nothing
_EXAMPLES: tuple[msgspec.Struct, ...] = (
    _SESSION,
    CreateSession(user_id="user123", sample_rate=48000, channels=2, format="wav"),
    CreatedSession(
        session_id=EXAMPLE_ID,
        ws_url=f"ws://localhost:8000/api/ws/audio/{EXAMPLE_ID}",
        session=_SESSION,
    ),
    CreateToken(scope="record"),
    SessionTokenInfo(
        token=_TOKEN,
        scope="record",
        expires_at=datetime(2026, 1, 1, 12, 15, tzinfo=UTC),
        ws_url=f"ws://localhost:8000/api/ws/audio/{EXAMPLE_ID}?token={_TOKEN}",
    ),
    SessionPage(sessions=[_SESSION], next_cursor=EXAMPLE_ID),
    SessionResult(success=True, message="Session closed", session_id=EXAMPLE_ID, session=_SESSION),
    DownloadLink(
        url=f"http://localhost:8000/api/audio/sessions/{EXAMPLE_ID}/audio"
        "?expires=1767268800&signature=5d41402abc4b2a76b9719d911017c592",
        expires_at=datetime(2026, 1, 1, 12, tzinfo=UTC),
    ),
    Waveform(
        version=2,
        channels=1,
        sample_rate=48000,
        samples_per_pixel=960,
        bits=16,
        length=3,
        data=[-412, 388, -9107, 10244, -731, 655],
    ),
    Health(
        status="ok",
        version=__version__,
        active_sessions=3,
        unpersisted_bytes=264_600,
        unpersisted_seconds=0.9,
    ),
    Readiness(status="ready", active_sessions=3),
)
