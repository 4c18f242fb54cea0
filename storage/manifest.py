"""The manifest: what is known of one session, as JSON beside its audio.

It is written when the session begins and replaced whole when the session
ends. While a session is active its counts stand still here and grow in the
recording's own checkpoint.
"""

from datetime import UTC, datetime
from typing import Literal

import msgspec

from storage import wav
from storage.checkpoint import Checkpoint
from storage.errors import BadObjectError
from storage.pcm import PcmFormat

Status = Literal["active", "completed"]

# The version of a session's formats: manifest, checkpoint, spool, segments, epochs. A release reads
# the versions up to its own and writes its own; it leaves sessions of a newer version alone.
VERSION = 1


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One session. Times are in UTC; ``user_id`` is the name that the client gave."""

    version: int = VERSION
    session_id: str
    status: Status = "active"
    user_id: str | None = None
    sample_rate: int
    channels: int
    format: str
    created_at: datetime
    completed_at: datetime | None = None
    chunk_count: int = 0
    frames: int = 0
    duration_seconds: float = 0.0
    size_bytes: int = wav.HEADER_BYTES
    container: wav.Container = "RIFF"
    error: str | None = None
    etag: str | None = None
    sha256: str | None = None

    @property
    def pcm_format(self) -> PcmFormat:
        return PcmFormat(self.sample_rate, self.channels)

    @property
    def pcm_bytes(self) -> int:
        return self.size_bytes - wav.HEADER_BYTES

    @property
    def title(self) -> str:
        """Return the name that the files of a download have: the time of recording."""
        return f"recording-{self.created_at.astimezone(UTC):%Y-%m-%d-%H%M%SZ}"

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
            error=checkpoint.error or None,
        )

    def completed(self, checkpoint: Checkpoint, at: datetime) -> "Manifest":
        """Return the manifest of the completed session."""
        return msgspec.structs.replace(
            self.advanced_to(checkpoint), status="completed", completed_at=at
        )


def encode(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode(data: bytes) -> Manifest:
    """Return the manifest. Raises `BadObjectError` for other bytes, and for a newer version."""
    try:
        version = msgspec.json.decode(data, type=_Versioned).version
        if version <= VERSION:
            return msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise BadObjectError(f"not a manifest: {error}") from error
    raise BadObjectError(f"a manifest of version {version}: this release reads up to {VERSION}")


class _Versioned(msgspec.Struct):
    version: int = VERSION
