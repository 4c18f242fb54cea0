"""All environment variables of the service, with defaults, limits and meanings.

The name of a field is the variable in lower case. No other module reads the environment.
``sercuescribe settings`` prints these texts, and a test compares the table in
docs/operations.md with them.
"""

import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from api.access.settings import SECRETS, AccessSettings
from api.audio.formats import CHANNELS, SAMPLE_RATES, Channels, InputKind, SampleRate

_MEBIBYTE = 1024 * 1024
# S3 accepts 10,000 parts per upload. The margin holds the last chunk, which may end after
# MAX_SESSION_DURATION_HOURS.
_USABLE_PARTS = 9_900
# AWS Signature Version 4: "X-Amz-Expires", the lifetime of a presigned URL.
_MAX_PRESIGNED_SECONDS = 604_800


# The URLs of receivers may have tokens.
_HIDDEN = SECRETS | {"webhook_urls", "webhook_secrets", "authorize_url"}


class SettingsError(Exception):
    """A variable has a value that the service cannot run with."""


class Settings(AccessSettings, frozen=True, kw_only=True):
    """All settings of the service; :func:`read_settings` validates them."""

    storage_backend: Annotated[
        Literal["local", "s3"],
        Meta(description="Where recordings are stored: a folder (local) or a bucket (s3)"),
    ] = "local"
    audio_storage_path: Annotated[
        str,
        Meta(min_length=1, description="Folder of the recordings; with s3, folder of the spool"),
    ] = "./audio_sessions"
    workers: Annotated[
        str,
        Meta(
            pattern=r"^(auto|[1-9][0-9]{0,2})$",
            description="Number of server processes, or auto: one per core; `serve --workers` has "
            "precedence",
        ),
    ] = "1"
    default_sample_rate: Annotated[
        SampleRate, Meta(description="Sample rate in Hz of a session created without sample_rate")
    ] = 44100
    default_channels: Annotated[
        Channels, Meta(description="Channels of a session created without channels")
    ] = 1
    default_format: Annotated[
        InputKind, Meta(description="Input format of a session created without format")
    ] = "wav"
    ffmpeg_loglevel: Annotated[
        Literal["quiet", "panic", "fatal", "error", "warning", "info", "verbose", "debug"],
        Meta(description="Log level of ffmpeg; below error, damaged input is not reported"),
    ] = "error"

    max_session_duration_hours: Annotated[
        float,
        Meta(description="Maximum age and maximum audio of a session; then it is completed", gt=0),
    ] = 24.0
    max_chunk_size_mb: Annotated[
        float,
        Meta(
            description="Maximum size of a chunk in MiB; a larger chunk closes the connection", gt=0
        ),
    ] = 10.0
    max_chunk_duration_seconds: Annotated[
        float,
        Meta(
            description="Maximum audio that one chunk may decode to; more fails its input stream",
            gt=0,
        ),
    ] = 14400.0
    max_concurrent_sessions: Annotated[
        int, Meta(description="Maximum number of active sessions; creating one more fails", ge=1)
    ] = 100

    max_sessions_per_user: Annotated[
        int,
        Meta(description="Maximum number of active sessions of one user; 0: no limit", ge=0),
    ] = 0
    min_free_disk_mb: Annotated[
        int,
        Meta(
            description="New sessions are refused while the disk has less free space, in MiB; "
            "0: no reserve",
            ge=0,
        ),
    ] = 0

    max_connections_per_session: Annotated[
        int, Meta(description="Maximum number of connections to one session", ge=1, le=32)
    ] = 5
    connection_timeout_seconds: Annotated[
        float,
        Meta(
            description="Time without a message after which a connection, or a stream that "
            "waits for resume, ends",
            gt=0,
        ),
    ] = 300.0
    max_message_size_bytes: Annotated[
        int,
        Meta(
            description="Maximum size of a WebSocket message; a larger message closes the "
            "connection",
            ge=1024,
        ),
    ] = 10485760

    session_idle_timeout_seconds: Annotated[
        float,
        Meta(description="A session without connections is completed after this time", gt=0),
    ] = 3600.0
    ping_interval_seconds: Annotated[
        float, Meta(description="Time between WebSocket pings", gt=0)
    ] = 20.0
    ping_timeout_seconds: Annotated[
        float,
        Meta(
            description="A connection that does not answer a ping is closed after this time", gt=0
        ),
    ] = 20.0
    max_gap_seconds: Annotated[
        float,
        Meta(
            description="Longest silence in place of audio of a telephone call that did not arrive",
            gt=0,
            le=3600,
        ),
    ] = 300.0
    max_readers_per_caller: Annotated[
        int,
        Meta(
            description="Maximum number of downloads, conversions, waveforms and listeners of one "
            "caller at the same time",
            ge=1,
        ),
    ] = 32
    write_timeout_seconds: Annotated[
        float,
        Meta(
            description="A client that reads nothing of an HTTP response for this time is "
            "disconnected",
            gt=0,
        ),
    ] = 60.0
    sync_interval_seconds: Annotated[
        float,
        Meta(
            description="Time between syncs of new audio to the disk",
            gt=0,
        ),
    ] = 1.5
    download_url_ttl_seconds: Annotated[
        int, Meta(description="Lifetime of a download link; with s3 at most 7 days", ge=1)
    ] = 3600
    public_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^/?#]+[^?#]*)?$",
            description="URL under which clients reach the service; empty: taken from the request",
        ),
    ] = ""
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Minimum level of log lines"),
    ] = "info"
    log_format: Annotated[
        Literal["text", "json"], Meta(description="Form of log lines: text, or a JSON object each")
    ] = "text"
    audit_log: Annotated[
        str,
        Meta(
            description="File to which the audit log is appended, as JSON; empty: with the other "
            "log lines, at the level info"
        ),
    ] = ""

    metrics_address: Annotated[
        str,
        Meta(
            pattern=r"^(\[[0-9A-Fa-f:.]+\]|[^:/\s]+):[0-9]{1,5}$|^$",
            description="Host and port on which /metrics is served to every client, such as "
            "127.0.0.1:9100; empty: only on the service's own port, for admins",
        ),
    ] = ""

    tracing: Annotated[
        bool,
        Meta(
            description="Whether spans are sent by OTLP; needs the extra tracing, and OTEL_* "
            "variables say where to"
        ),
    ] = False

    retention_days: Annotated[
        float, Meta(description="Age at which a completed recording is deleted; 0: never", ge=0)
    ] = 0.0

    webhook_urls: Annotated[
        str, Meta(description="URLs that get every event of a session, separated by commas")
    ] = ""
    webhook_secrets: Annotated[
        str,
        Meta(
            description="Secrets that sign webhooks, as sercuescribe webhooks secret prints them, "
            "the newest first, separated by commas"
        ),
    ] = ""
    webhooks_file: Annotated[
        str,
        Meta(description="TOML file with endpoints that have events and secrets of their own"),
    ] = ""
    authorize_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^/?#@]+([/?].*)?)?$",
            description="URL that is asked before a session is created; 4xx refuses it",
        ),
    ] = ""

    s3_bucket: Annotated[
        str,
        Meta(
            description="Name of the bucket; credentials as for AWS tools (AWS_* variables, a "
            "profile, a role)"
        ),
    ] = ""
    s3_prefix: Annotated[
        str,
        Meta(pattern=r"^([^/].*/)?$", description="Prefix of all keys; ends with a slash"),
    ] = ""
    s3_endpoint_url: Annotated[
        str,
        Meta(pattern=r"^(https?://.+)?$", description="Endpoint of the store; empty: Amazon S3"),
    ] = ""
    s3_public_endpoint_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://.+)?$",
            description="Endpoint of the store in presigned links, if clients use another one",
        ),
    ] = ""
    s3_region: Annotated[
        str, Meta(description="Region of the bucket; empty: AWS_DEFAULT_REGION")
    ] = ""
    s3_path_style: Annotated[
        bool, Meta(description="Whether URLs have the bucket in the path, not in the host name")
    ] = True
    s3_encryption: Annotated[
        Literal["", "AES256", "aws:kms"],
        Meta(
            description="Server-side encryption of all objects; empty: as the bucket is configured"
        ),
    ] = ""
    s3_kms_key_id: Annotated[str, Meta(description="Key for aws:kms; empty: the default key")] = ""
    s3_checksum: Annotated[
        Literal["", "md5", "crc32", "sha256"],
        Meta(
            description="Checksum in a header of every write; empty: as "
            "AWS_REQUEST_CHECKSUM_CALCULATION says, or only where S3 requires one"
        ),
    ] = ""
    s3_delete_versions: Annotated[
        bool,
        Meta(
            description="Whether a deletion also removes the versions and delete markers of a "
            "bucket with versioning"
        ),
    ] = False
    s3_part_size_mb: Annotated[
        int,
        Meta(
            description="Part size of the multipart upload of the final file, in MiB", ge=5, le=1024
        ),
    ] = 8
    segment_seconds: Annotated[
        float,
        Meta(
            description="Time between segments: how often new audio is persisted in the bucket",
            gt=0,
        ),
    ] = 5.0
    spool_max_mb: Annotated[
        int,
        Meta(description="Maximum audio of a session that is not yet in the bucket, in MiB", ge=1),
    ] = 256
    keep_segments: Annotated[
        bool, Meta(description="Whether segments are kept after a session is completed")
    ] = False

    lease_seconds: Annotated[
        float,
        Meta(
            description="Another node takes over the sessions of a node that is silent for "
            "this time",
            ge=1,
        ),
    ] = 15.0
    node_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^/?#]+)?$",
            description="URL under which other nodes reach this node; empty: from the listen "
            "address or the host name",
        ),
    ] = ""

    @property
    def worker_count(self) -> int:
        """Return WORKERS as a number; ``auto`` is the number of cores that the process may use."""
        return len(os.sched_getaffinity(0)) if self.workers == "auto" else int(self.workers)

    @property
    def storage_folder(self) -> Path:
        return Path(self.audio_storage_path)

    @property
    def public_path(self) -> str:
        """Return the path of PUBLIC_URL without a trailing slash; "" if it is the root."""
        return urlsplit(self.public_url).path.rstrip("/")

    @property
    def max_chunk_size_bytes(self) -> int:
        return int(self.max_chunk_size_mb * _MEBIBYTE)

    @property
    def part_bytes(self) -> int:
        """Return the part size: S3_PART_SIZE_MB, or more if the longest session needs it.

        S3 accepts 10,000 parts per multipart upload.
        """
        longest_bytes = self.max_session_duration_seconds * SAMPLE_RATES[-1] * CHANNELS[-1] * 2
        return max(self.s3_part_size_mb * _MEBIBYTE, math.ceil(longest_bytes / _USABLE_PARTS))

    @property
    def spool_max_bytes(self) -> int:
        return self.spool_max_mb * _MEBIBYTE

    @property
    def max_session_duration_seconds(self) -> float:
        return self.max_session_duration_hours * 3600


class Setting(msgspec.Struct, frozen=True):
    """One variable as ``sercuescribe settings`` prints it."""

    variable: str
    value: str
    default: str
    meaning: str
    choices: tuple[str, ...]  # of a setting with a fixed set of values; else none


def read_settings(
    environ: Mapping[str, str] = os.environ, options: Mapping[str, str] | None = None
) -> Settings:
    """Return the settings in ``environ``, or in ``options``, which have precedence.

    Raises :class:`SettingsError` with the variable, its value unless that is a secret, and the
    valid values.
    """
    environ = {**environ, **(options or {})}
    values: dict[str, Any] = {}
    for field, annotation in _fields():
        variable = field.upper()
        if variable in environ:
            values[field] = _convert(field, environ[variable], annotation)
    settings = Settings(**values)
    if settings.storage_backend == "s3":
        _check_bucket(settings)
    for variable, reason in settings.invalid_access_settings():
        raise SettingsError(f"{variable} is not valid: {reason}")
    if needed := settings.missing_access_settings(is_shared=settings.storage_backend == "s3"):
        raise SettingsError(f"AUTH_MODE={settings.auth_mode} needs {needed}")
    return settings


def _check_bucket(settings: Settings) -> None:
    if not settings.s3_bucket:
        raise SettingsError("S3_BUCKET='' is not valid: STORAGE_BACKEND=s3 needs a bucket")
    if settings.download_url_ttl_seconds > _MAX_PRESIGNED_SECONDS:
        raise SettingsError(
            f"DOWNLOAD_URL_TTL_SECONDS='{settings.download_url_ttl_seconds}' is not valid: with "
            f"STORAGE_BACKEND=s3 expected `int` <= {_MAX_PRESIGNED_SECONDS} (7 days), because "
            "stores refuse longer presigned links"
        )


def describe(settings: Settings) -> Iterator[Setting]:
    """Yield every variable with its current value, in the order of the class."""
    defaults = Settings()
    for field, annotation in _fields():
        yield Setting(
            variable=field.upper(),
            value=_text(field, getattr(settings, field)),
            default=_text(field, getattr(defaults, field)),
            meaning=annotation.__metadata__[0].description,
            choices=_choices(annotation),
        )


def is_setting(variable: str) -> bool:
    """Return whether the service reads a variable of this name."""
    return any(variable == field.upper() for field, _ in _fields())


def _fields() -> Iterator[tuple[str, Any]]:
    hints = get_type_hints(Settings, include_extras=True)
    for field in msgspec.structs.fields(Settings):
        yield field.name, hints[field.name]


def _convert(field: str, value: str, annotation: Any) -> Any:
    try:
        return msgspec.convert(value.strip(), annotation, strict=False)
    except msgspec.ValidationError as error:
        shown = "" if field in _HIDDEN else f"={value!r}"
        raise SettingsError(
            f"{field.upper()}{shown} is not valid: {_valid(annotation, error)}"
        ) from error


def _valid(annotation: Any, error: msgspec.ValidationError) -> str:
    if choices := _choices(annotation):
        return f"expected one of {', '.join(choices)}"
    text = str(error)
    return text[0].lower() + text[1:]


def _choices(annotation: Any) -> tuple[str, ...]:
    """Return the values of a setting that has a fixed set of them."""
    if annotation.__origin__ is bool:
        return ("true", "false")
    values = get_args(annotation.__origin__) if get_origin(annotation.__origin__) is Literal else ()
    return tuple(str(value) or "(empty)" for value in values)


def _text(field: str, value: Any) -> str:
    if field in _HIDDEN and value:
        return "(set)"
    if isinstance(value, bool):
        return str(value).lower()
    return re.sub(r"\.0$", "", str(value))
