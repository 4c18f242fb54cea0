"""The manifest: what is known of one session, as JSON beside its audio.

It is written when the session begins and replaced whole when the session ends and when a client
changes its details. While a session is active its counts stand still here and grow in the
recording's own checkpoint.
"""

import math
from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from storage import wav
from storage.checkpoint import Checkpoint
from storage.details import Details, details_of
from storage.errors import BadObjectError, decoding
from storage.pcm import PcmFormat
from storage.receipt import Receipt
from storage.warning import SessionWarning

Status = Literal["active", "completed"]

# The version of a session's formats: manifest, checkpoint, spool, segments, epochs. A release reads
# the versions up to its own and leaves sessions of a newer version alone. It writes the lowest that
# has all that the session has, so that an earlier release continues the sessions that it knows.
VERSION = 2
_FIRST_VERSION = 1
_DETAILS_VERSION = 2  # of details and calls: release 0.2.0 would complete the session without them

# What the header of a WAV and a waveform can express. Which rates and channels are offered is
# decided where a session is created.
_SampleRate = Annotated[int, Meta(ge=1000, le=1_000_000)]
_Channels = Annotated[int, Meta(ge=1, le=2)]
_Count = Annotated[int, Meta(ge=0, le=2**60)]
_CallHash = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]


class Manifest(Details, frozen=True, kw_only=True):
    """One session. Times are in UTC; ``user_id`` is the name that the client gave.

    ``error`` is the message of the last of the ``warnings``. ``call_hash`` is the same for all
    sessions of one telephone call, and None if the session is of none.
    """

    version: Annotated[int, Meta(ge=1)] = _FIRST_VERSION
    session_id: str
    status: Status = "active"
    user_id: str | None = None
    sample_rate: _SampleRate
    channels: _Channels
    format: str
    call_hash: _CallHash | None = None
    created_at: datetime
    completed_at: datetime | None = None
    chunk_count: _Count = 0
    frames: _Count = 0
    duration_seconds: float = 0.0
    size_bytes: _Count = wav.HEADER_BYTES
    container: wav.Container = "RIFF"
    error: str | None = None
    warnings: tuple[SessionWarning, ...] = ()
    warning_count: int = 0
    etag: str | None = None
    sha256: str | None = None
    receipt: Receipt | None = None

    def __post_init__(self) -> None:
        is_new = self.details != Details() or self.call_hash is not None
        if self.version < _DETAILS_VERSION and is_new:
            msgspec.structs.force_setattr(self, "version", _DETAILS_VERSION)

    @property
    def pcm_format(self) -> PcmFormat:
        return PcmFormat(self.sample_rate, self.channels)

    @property
    def pcm_bytes(self) -> int:
        return self.size_bytes - wav.HEADER_BYTES

    @property
    def has_warnings(self) -> bool:
        """Return whether something was not recorded."""
        return self.warning_count > 0

    @property
    def details(self) -> Details:
        return details_of(self)

    def of_this_release(self) -> "Manifest":
        """Return the manifest of a session that an earlier release must leave alone."""
        return msgspec.structs.replace(self, version=VERSION)

    def with_details(self, details: Details) -> "Manifest":
        return msgspec.structs.replace(self, **msgspec.structs.asdict(details))

    def advanced_to(self, checkpoint: Checkpoint) -> "Manifest":
        """Return the manifest with the counts of ``checkpoint``."""
        pcm_bytes = checkpoint.pcm_bytes
        return msgspec.structs.replace(
            self,
            chunk_count=checkpoint.chunk_count,
            frames=self.pcm_format.frames(pcm_bytes),
            duration_seconds=self.pcm_format.seconds(pcm_bytes),
            size_bytes=wav.HEADER_BYTES + pcm_bytes,
            container=wav.container(pcm_bytes),
            error=checkpoint.warnings[-1].message if checkpoint.warnings else None,
            warnings=checkpoint.warnings,
            warning_count=checkpoint.warning_count,
        )

    def completed(self, checkpoint: Checkpoint, at: datetime) -> "Manifest":
        """Return the manifest of the completed session."""
        return msgspec.structs.replace(
            self.advanced_to(checkpoint), status="completed", completed_at=at
        )


def encode(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode(data: bytes, session_id: UUID) -> Manifest:
    """Return the manifest of the session.

    Raises `BadObjectError` for other bytes, the manifest of another session, one that contradicts
    itself, and one of a newer version.
    """
    with decoding(f"{session_id}: not a manifest"):
        version = msgspec.json.decode(data, type=_Versioned).version
        if version <= VERSION:
            manifest = msgspec.json.decode(data, type=Manifest)
            _check(manifest, session_id)
            return manifest
    raise BadObjectError(
        f"{session_id}: a manifest of version {version}: this release reads up to {VERSION}"
    )


class _Versioned(msgspec.Struct):
    version: int = _FIRST_VERSION


def _check(manifest: Manifest, session_id: UUID) -> None:
    """Raise ``ValueError`` if the manifest is of another session or contradicts itself."""
    if manifest.session_id != str(session_id):
        raise ValueError(f"it is of session {manifest.session_id}")
    if (manifest.completed_at is not None) != (manifest.status == "completed"):
        raise ValueError("status and completed_at differ")
    times = [manifest.created_at, manifest.completed_at, manifest.expires_at]
    if any(time is not None and time.utcoffset() != timedelta(0) for time in times):
        raise ValueError("a time is not in UTC")
    pcm_bytes = manifest.frames * manifest.pcm_format.frame_bytes
    if manifest.pcm_bytes != pcm_bytes or manifest.container != wav.container(pcm_bytes):
        raise ValueError("the counts of frames and bytes differ")
    seconds = manifest.pcm_format.seconds(pcm_bytes)
    if not math.isclose(manifest.duration_seconds, seconds, abs_tol=0.001):
        raise ValueError("the duration and the count of frames differ")
