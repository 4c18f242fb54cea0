"""Every variable the service reads, with its default, its limits and its meaning.

A field is its variable in lower case; nothing else in the project touches the
environment. What is stated here is what ``sercuescribe settings`` prints and
what the documentation is checked against.
"""

import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta

from api.access.settings import SECRETS, AccessSettings
from api.audio.formats import CHANNELS, SAMPLE_RATES, Channels, InputKind, SampleRate

_MEBIBYTE = 1024 * 1024
# S3 takes 10,000 parts; the last chunk may go over the limit of time.
_USABLE_PARTS = 9_900


class SettingsError(Exception):
    """A variable has a value that the service cannot run with."""


class Settings(AccessSettings, frozen=True, kw_only=True):
    """All settings, valid as soon as they exist (see :func:`read_settings`)."""

    storage_backend: Annotated[
        Literal["local", "s3"], Meta(description="Where recordings are kept: a folder or a bucket")
    ] = "local"
    audio_storage_path: Annotated[
        str,
        Meta(min_length=1, description="Folder that holds the recordings; with s3, the spool"),
    ] = "./audio_sessions"
    default_sample_rate: Annotated[
        SampleRate, Meta(description="Sample rate in Hz of a session that names none")
    ] = 44100
    default_channels: Annotated[
        Channels, Meta(description="Channels of a session that names none")
    ] = 1
    default_format: Annotated[
        InputKind, Meta(description="Format of a session that names none")
    ] = "wav"
    ffmpeg_loglevel: Annotated[
        Literal["quiet", "panic", "fatal", "error", "warning", "info", "verbose", "debug"],
        Meta(description="What ffmpeg tells the log; below error, damage is not reported"),
    ] = "error"

    max_session_duration_hours: Annotated[
        float, Meta(description="A session older or longer than this is completed", gt=0)
    ] = 24.0
    max_chunk_size_mb: Annotated[
        float,
        Meta(
            description="Largest chunk of audio, in MiB; a larger one closes the connection", gt=0
        ),
    ] = 10.0
    max_chunk_duration_seconds: Annotated[
        float,
        Meta(description="Most audio that a chunk may decode to; more ends its stream", gt=0),
    ] = 14400.0
    max_concurrent_sessions: Annotated[
        int, Meta(description="Active sessions at once; one more is told to try later", ge=1)
    ] = 100

    max_connections_per_session: Annotated[
        int, Meta(description="Connections to one session at once", ge=1, le=32)
    ] = 5
    connection_timeout_seconds: Annotated[
        float,
        Meta(
            description="A silent connection is closed, and a dropped one given up, after this",
            gt=0,
        ),
    ] = 300.0
    max_message_size_bytes: Annotated[
        int,
        Meta(description="Largest WebSocket message; a larger one closes the connection", ge=1024),
    ] = 10485760

    session_idle_timeout_seconds: Annotated[
        float,
        Meta(description="A session that nobody is connected to is completed after this", gt=0),
    ] = 3600.0
    ping_interval_seconds: Annotated[
        float, Meta(description="Time between WebSocket pings", gt=0)
    ] = 20.0
    ping_timeout_seconds: Annotated[
        float, Meta(description="A peer that answers no ping for this long is dropped", gt=0)
    ] = 20.0
    sync_interval_seconds: Annotated[
        float,
        Meta(
            description="How often new audio is made durable on the disk",
            gt=0,
        ),
    ] = 1.0
    download_url_ttl_seconds: Annotated[
        int, Meta(description="How long a download link works", ge=1)
    ] = 3600
    public_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^/?#]+[^?#]*)?$",
            description="Address under which clients reach the service; empty: as in the request",
        ),
    ] = ""
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="What the service writes to its log"),
    ] = "info"

    retention_days: Annotated[
        float, Meta(description="A recording is deleted after this; 0: never", ge=0)
    ] = 0.0

    s3_bucket: Annotated[str, Meta(description="The bucket; AWS_* variables give access")] = ""
    s3_prefix: Annotated[
        str,
        Meta(pattern=r"^([^/].*/)?$", description="What all keys begin with; ends with a slash"),
    ] = ""
    s3_endpoint_url: Annotated[
        str,
        Meta(pattern=r"^(https?://.+)?$", description="Address of the store; empty: Amazon's"),
    ] = ""
    s3_public_endpoint_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://.+)?$",
            description="Address of the store for clients, in presigned links",
        ),
    ] = ""
    s3_region: Annotated[
        str, Meta(description="Region of the bucket; empty: as AWS_DEFAULT_REGION says")
    ] = ""
    s3_path_style: Annotated[
        bool, Meta(description="Whether the bucket stands in the path, not in the host name")
    ] = True
    s3_encryption: Annotated[
        Literal["", "AES256", "aws:kms"], Meta(description="Server-side encryption to ask for")
    ] = ""
    s3_kms_key_id: Annotated[str, Meta(description="The key of aws:kms, if not the default")] = ""
    s3_part_size_mb: Annotated[
        int,
        Meta(description="Part size of the final file's multipart upload, in MiB", ge=5, le=1024),
    ] = 8
    segment_seconds: Annotated[
        float, Meta(description="How often new audio is made persistent in the bucket", gt=0)
    ] = 5.0
    spool_max_mb: Annotated[
        int,
        Meta(description="Most that a session may be ahead of the bucket, in MiB", ge=1),
    ] = 256
    keep_segments: Annotated[
        bool, Meta(description="Whether segments stay when a session is completed")
    ] = False

    lease_seconds: Annotated[
        float,
        Meta(description="Another node takes over when one was silent for this long", ge=1),
    ] = 15.0
    node_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^/?#]+)?$",
            description="Where the other nodes reach this one; empty: by its host name",
        ),
    ] = ""

    @property
    def storage_folder(self) -> Path:
        return Path(self.audio_storage_path)

    @property
    def max_chunk_size_bytes(self) -> int:
        return int(self.max_chunk_size_mb * _MEBIBYTE)

    @property
    def part_bytes(self) -> int:
        """As set, or more where 10,000 parts of that size could not hold the longest session."""
        longest_bytes = self.max_session_duration_seconds * SAMPLE_RATES[-1] * CHANNELS[-1] * 2
        return max(self.s3_part_size_mb * _MEBIBYTE, math.ceil(longest_bytes / _USABLE_PARTS))

    @property
    def spool_max_bytes(self) -> int:
        return self.spool_max_mb * _MEBIBYTE

    @property
    def max_session_duration_seconds(self) -> float:
        return self.max_session_duration_hours * 3600


class Setting(msgspec.Struct, frozen=True):
    """One variable, for people."""

    variable: str
    value: str
    default: str
    meaning: str


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Raises :class:`SettingsError` naming the variable, its value and what is valid."""
    values: dict[str, Any] = {}
    for field, annotation in _fields():
        variable = field.upper()
        if variable in environ:
            values[field] = _convert(variable, environ[variable], annotation)
    settings = Settings(**values)
    if settings.storage_backend == "s3" and not settings.s3_bucket:
        raise SettingsError("S3_BUCKET='' is not valid: STORAGE_BACKEND=s3 needs a bucket")
    if needed := settings.missing_of_access(is_shared=settings.storage_backend == "s3"):
        raise SettingsError(f"AUTH_MODE={settings.auth_mode} needs {needed}")
    return settings


def describe(settings: Settings) -> Iterator[Setting]:
    """Every variable with its current value, in the order of the class."""
    defaults = Settings()
    for field, annotation in _fields():
        yield Setting(
            variable=field.upper(),
            value=_text(field, getattr(settings, field)),
            default=_text(field, getattr(defaults, field)),
            meaning=annotation.__metadata__[0].description,
        )


def _fields() -> Iterator[tuple[str, Any]]:
    hints = get_type_hints(Settings, include_extras=True)
    for field in msgspec.structs.fields(Settings):
        yield field.name, hints[field.name]


def _convert(variable: str, value: str, annotation: Any) -> Any:
    try:
        return msgspec.convert(value.strip(), annotation, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"{variable}={value!r} is not valid: {_valid(annotation, error)}"
        ) from error


def _valid(annotation: Any, error: msgspec.ValidationError) -> str:
    choices = (
        ("true", "false") if annotation.__origin__ is bool else get_args(annotation.__origin__)
    )
    if choices:
        return "expected one of " + ", ".join(str(choice) for choice in choices)
    text = str(error)
    return text[0].lower() + text[1:]


def _text(field: str, value: Any) -> str:
    if field in SECRETS and value:
        return "(set)"
    if isinstance(value, bool):
        return str(value).lower()
    return re.sub(r"\.0$", "", str(value))
