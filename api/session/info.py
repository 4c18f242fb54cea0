"""The information about a session that clients get."""

from datetime import datetime
from typing import NamedTuple

from api.wire.messages import SessionInfo
from storage.manifest import Manifest
from storage.watermark import Unpersisted

_NOTHING = Unpersisted()


class Interruption(NamedTuple):
    """The time since which no client is connected, and when the service ends the session."""

    disconnected_at: datetime
    idle_until: datetime


def session_info(
    manifest: Manifest,
    *,
    location: str,
    persisted_chunk_count: int | None = None,
    unpersisted: Unpersisted = _NOTHING,
    connections: int = 0,
    interruption: Interruption | None = None,
    is_paused: bool = False,
) -> SessionInfo:
    """Return the information in ``manifest``, as clients get it.

    ``persisted_chunk_count`` None: every chunk is persisted, as in a completed session.
    """
    return SessionInfo(
        session_id=manifest.session_id,
        status=manifest.status,
        user_id=manifest.user_id,
        title=manifest.title,
        metadata=manifest.metadata,
        hold=manifest.hold,
        expires_at=manifest.expires_at,
        sample_rate=manifest.sample_rate,
        channels=manifest.channels,
        format=manifest.format,
        total_chunks=manifest.chunk_count,
        persisted_chunk_count=(
            manifest.chunk_count if persisted_chunk_count is None else persisted_chunk_count
        ),
        duration_seconds=manifest.duration_seconds,
        file_path=location,
        size_bytes=manifest.size_bytes,
        unpersisted_bytes=unpersisted.pcm_bytes,
        unpersisted_seconds=unpersisted.seconds,
        connections=connections,
        paused=is_paused,
        disconnected_at=interruption and interruption.disconnected_at,
        idle_until=interruption and interruption.idle_until,
        created_at=manifest.created_at,
        completed_at=manifest.completed_at,
        error=manifest.error,
        warnings=manifest.warnings,
        warning_count=manifest.warning_count,
        receipt=manifest.receipt,
    )
