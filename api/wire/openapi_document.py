"""Corrections of the OpenAPI document that Litestar generates: types, media types, examples."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
from litestar.openapi.spec import (
    Example,
    OpenAPI,
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    PathItem,
    Reference,
    RequestBody,
    Schema,
)

from api import __version__
from api.wire.messages import (
    CallerIdentity,
    ChangeSession,
    CreatedLink,
    CreatedSession,
    CreateLink,
    CreateSession,
    CreateToken,
    DownloadLink,
    Health,
    KeyDocument,
    LinkInfo,
    LinkList,
    MarkSession,
    PublicKey,
    Readiness,
    SessionInfo,
    SessionPage,
    SessionResult,
    SessionTokenInfo,
    Waveform,
)
from api.wire.node_status import BackgroundTask, NodeStatus, StoreOperation
from api.wire.openapi import EXAMPLE_ID
from storage.receipt import Digested, Receipt
from storage.timeline import ConnectionSpan, Gap, Mark, Omissions, Pause, Timeline
from storage.warning import SessionWarning

_SIMPLE = {
    OpenAPIType.STRING,
    OpenAPIType.INTEGER,
    OpenAPIType.NUMBER,
    OpenAPIType.BOOLEAN,
    OpenAPIType.NULL,
}
_AUDIO_TYPES = ("audio/wav", "audio/mpeg", "audio/flac", "audio/ogg")
_WAVEFORM_TYPES = ("application/octet-stream", "image/svg+xml", "image/png")


def complete_document(document: OpenAPI) -> None:
    """Correct the generated document in place.

    - Remove the 400 that the generator adds to every operation: bad parameters get 422.
    - Remove the ids of examples: OpenAPI does not define such a property.
    - Mark request bodies as optional.
    - Write nullable values in the form from which client generators make one class.
    - Add the media types of audio and waveforms.
    - Set realistic examples.
    """
    for operation in _operations(document):
        operation.responses = operation.responses or {}
        operation.responses.pop("400", None)
        if isinstance(operation.request_body, RequestBody):
            operation.request_body.required = False
        for parameter in operation.parameters or []:
            _complete_parameter(parameter)
        for response in operation.responses.values():
            _drop_example_ids(response)
    for title, schema in (document.components.schemas or {}).items():
        _complete_properties(schema, has_session_id=title != "ErrorBody")
    paths = document.paths or {}
    session = "/api/audio/sessions/{session_id}"
    audio = paths[f"{session}/audio"]
    _set_media_types(audio.get, ("200", "206"), _AUDIO_TYPES[:1])
    _set_media_types(audio.get, ("200",), _AUDIO_TYPES[1:])
    _set_media_types(paths[f"{session}/waveform"].get, ("200",), _WAVEFORM_TYPES)
    marks = paths[f"{session}/marks"].post
    assert marks is not None
    assert isinstance(marks.request_body, RequestBody)
    marks.request_body.required = True  # Litestar reads it from the media type
    for example in _EXAMPLES:
        schema = document.components.schemas[type(example).__name__]
        schema.examples = [msgspec.to_builtins(example)]


def _operations(document: OpenAPI) -> Iterator[Operation]:
    for path in (document.paths or {}).values():
        assert isinstance(path, PathItem)
        for operation in (path.get, path.post, path.patch, path.delete):
            if operation is not None:
                yield operation


def _complete_properties(schema: Schema, *, has_session_id: bool) -> None:
    """Correct the schemas of the properties.

    If ``has_session_id``, the field ``session_id`` is a UUID; in an error it is any text that the
    client sent.
    """
    properties = schema.properties or {}
    for name, field in properties.items():
        properties[name] = complete = _nullable(field)
        if name == "session_id" and has_session_id and isinstance(complete, Schema):
            complete.format = OpenAPIFormat.UUID


def _complete_parameter(parameter: Parameter | Reference) -> None:
    assert isinstance(parameter, Parameter)
    assert isinstance(parameter.schema, Schema)
    schema = _nullable(parameter.schema)
    assert isinstance(schema, Schema)
    if parameter.name == "session_id":
        schema.format = OpenAPIFormat.UUID
        parameter.description = schema.description = "UUID of the session"
    parameter.schema = schema


def _nullable(schema: Schema | Reference) -> Schema | Reference:
    """Return a nullable schema in the form from which client generators make one class.

    An enumeration becomes ``oneOf`` with null; a simple type becomes a list of two types.
    """
    if not isinstance(schema, Schema):
        return schema
    if schema.one_of and schema.type:  # what is documented counts
        schema.one_of, schema.type = None, [OpenAPIType(each) for each in schema.type]
    types = schema.type if isinstance(schema.type, list) else []
    if schema.one_of and len(schema.one_of) == 2:
        types = [part.type for part in schema.one_of if isinstance(part, Schema)]
        schema.format = schema.format or getattr(schema.one_of[0], "format", None)
    if len(types) != 2 or OpenAPIType.NULL not in types or not _SIMPLE.issuperset(types):
        return schema
    (value_type,) = (each for each in types if each is not OpenAPIType.NULL)
    if schema.enum is None:
        schema.one_of, schema.type = None, [value_type, OpenAPIType.NULL]
        return schema
    values = [value for value in schema.enum if value is not None]
    schema.type = schema.enum = None
    schema.one_of = [Schema(type=value_type, enum=values), Schema(type=OpenAPIType.NULL)]
    return schema


def _set_media_types(
    operation: Operation | None, statuses: tuple[str, ...], media_types: tuple[str, ...]
) -> None:
    """Add binary content of the media types to the operation's responses."""
    assert operation is not None
    for status in statuses:
        response = (operation.responses or {})[status]
        assert isinstance(response, OpenAPIResponse)
        binary = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
        contents = {each: OpenAPIMediaType(schema=binary) for each in media_types}
        response.content = {**(response.content or {}), **contents}


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
_TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6InNlc3Npb24rand0In0.e30.c2lnbmF0dXJl"  # noqa: S105 - an example
_TASK = BackgroundTask(name="takeover", is_up=True, failures=0)
_OPERATION = StoreOperation(name="PutObject", requests=1200, mean_seconds=0.021, errors=0)
_KEY_ID = "21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9"
_KEY = PublicKey(
    kid=_KEY_ID, public_key="d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
)
_AUDIO = Digested(
    bytes=336_000, digest="5df6e0e2761359d30a8275058e299fcc0381534545f55cf43e41983f5d4c9456"
)
_LINK = LinkInfo(
    link_id="2bb80d537b1da3e38bd30361aa855686",
    created_at=datetime(2026, 1, 1, 12, tzinfo=UTC),
    expires_at=datetime(2026, 1, 8, 12, tzinfo=UTC),
    start=60.0,
    end=90.5,
    format="mp3",
)
_MINUTE = datetime(2026, 1, 1, 12, 1, tzinfo=UTC)
_CONNECTION = ConnectionSpan(
    began_at=_MINUTE,
    ended_at=_MINUTE + timedelta(seconds=60),
    first_frame=0,
    frames=2_880_000,
    chunks=3000,
    bytes=5_760_000,
    node="019aa1b0-11aa-7c2e-9d31-0f4f5a6b7c8d",
)
_GAP = Gap(at=_MINUTE + timedelta(seconds=9), frame=432_000, seconds=1.25)
_PAUSE = Pause(
    began_at=_MINUTE + timedelta(seconds=20),
    ended_at=_MINUTE + timedelta(seconds=30),
    frame=960_000,
    first_chunk=1000,
    chunks=500,
    bytes=960_000,
    seconds=10.0,
)
_MARK = Mark(at=_MINUTE + timedelta(seconds=40), frame=1_440_000, label="Question 2")
_EXAMPLES: tuple[msgspec.Struct, ...] = (
    _CONNECTION,
    _GAP,
    _PAUSE,
    _MARK,
    Omissions(gaps=3, gap_seconds=2.25),
    Timeline(
        session_id=EXAMPLE_ID,
        connections=(_CONNECTION,),
        gaps=(_GAP,),
        pauses=(_PAUSE,),
        marks=(_MARK,),
    ),
    MarkSession(label="Question 2"),
    _SESSION,
    _KEY,
    KeyDocument(keys=[_KEY]),
    _AUDIO,
    Receipt(
        session_id=EXAMPLE_ID,
        software=f"sercuescribe {__version__}",
        created_at="2026-01-01T12:00:00Z",
        completed_at="2026-01-01T12:00:02Z",
        sample_rate=48000,
        channels=2,
        chunk_count=42,
        frames=84_000,
        audio=_AUDIO,
        inputs=(_AUDIO,),
        kid=_KEY_ID,
        signature="e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    _TASK,
    _OPERATION,
    NodeStatus(
        version=__version__,
        node="019aa1b0-11aa-7c2e-9d31-0f4f5a6b7c8d",
        storage="s3",
        is_draining=False,
        problems=[],
        active_sessions=1,
        max_sessions=100,
        unpersisted_bytes=264_600,
        unpersisted_seconds=0.9,
        free_bytes=52_000_000_000,
        lease_age_seconds=1.2,
        tasks=[_TASK],
        store=[_OPERATION],
        sessions=[_SESSION],
    ),
    CreateSession(user_id="user123", sample_rate=48000, channels=2, format="wav"),
    CreatedSession(
        session_id=EXAMPLE_ID,
        ws_url=f"ws://localhost:8000/api/ws/audio/{EXAMPLE_ID}",
        session=_SESSION,
    ),
    ChangeSession(title="Interview", metadata={"project": "radio"}),
    CreateToken(scope="record"),
    CallerIdentity(user_id="alice", scopes=["record", "read"]),
    SessionTokenInfo(
        token=_TOKEN,
        scope="record",
        expires_at=datetime(2026, 1, 1, 12, 15, tzinfo=UTC),
        ws_url=f"ws://localhost:8000/api/ws/audio/{EXAMPLE_ID}?token={_TOKEN}",
    ),
    SessionPage(sessions=[_SESSION], next_cursor=None, total=1),
    SessionResult(success=True, message="Session closed", session_id=EXAMPLE_ID, session=_SESSION),
    DownloadLink(
        url=f"http://localhost:8000/api/audio/sessions/{EXAMPLE_ID}/audio"
        "?expires=1767268800&signature=5d41402abc4b2a76b9719d911017c592",
        expires_at=datetime(2026, 1, 1, 12, tzinfo=UTC),
    ),
    CreateLink(expires_in_seconds=86_400, start=60.0, end=90.5, format="mp3"),
    _LINK,
    LinkList(links=[_LINK]),
    CreatedLink(
        **msgspec.structs.asdict(_LINK),
        url=f"http://localhost:8000/l/{EXAMPLE_ID}/scribelink5d41402abc4b2a76b9719d911017c592",
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
        problems=[],
        version=__version__,
        active_sessions=3,
        unpersisted_bytes=264_600,
        unpersisted_seconds=0.9,
    ),
    Readiness(status="ready", active_sessions=3),
    SessionWarning(
        code="no_audio",
        message="there is no audio in the MP4: send a file with an audio track",
        chunk_count=12,
        frame=48_000,
    ),
)
