"""The information about a session has the fields of its manifest and of its progress."""

from datetime import UTC, datetime, timedelta

import msgspec

from api.session.info import Interruption, session_info
from storage.checkpoint import Checkpoint
from storage.watermark import Unpersisted
from tests.storage.conftest import new_manifest

BEGAN = datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
MANIFEST = new_manifest(user_id="alice", title="Interview", metadata={"room": "2"}).advanced_to(
    Checkpoint(7, 32_000).warned("decode_failed", "damaged", frame=16_000)
)


def test_an_active_session_shows_its_own_counts() -> None:
    info = session_info(
        MANIFEST,
        location="/recordings/x.wav",
        persisted_chunk_count=5,
        unpersisted=Unpersisted(800, 0.25),
        connections=0,
        interruption=Interruption(BEGAN, BEGAN + timedelta(hours=1)),
    )
    shown = msgspec.to_builtins(info)
    assert shown == {
        "session_id": MANIFEST.session_id,
        "status": "active",
        "user_id": "alice",
        "title": "Interview",
        "metadata": {"room": "2"},
        "hold": False,
        "expires_at": None,
        "sample_rate": 16000,
        "channels": 1,
        "format": "wav",
        "total_chunks": 7,
        "persisted_chunk_count": 5,
        "duration_seconds": 1.0,
        "file_path": "/recordings/x.wav",
        "size_bytes": 32_080,
        "unpersisted_bytes": 800,
        "unpersisted_seconds": 0.25,
        "paused": False,
        "connections": 0,
        "disconnected_at": "2026-01-01T00:00:01Z",
        "idle_until": "2026-01-01T01:00:01Z",
        "created_at": "2026-01-01T00:00:00Z",
        "completed_at": None,
        "error": "damaged",
        "warnings": (
            {"code": "decode_failed", "message": "damaged", "chunk_count": 7, "frame": 16_000},
        ),
        "warning_count": 1,
        "receipt": None,
    }


def test_all_chunks_of_a_completed_session_are_persisted() -> None:
    done = MANIFEST.completed(Checkpoint(9, 32_000), MANIFEST.created_at)
    info = session_info(done, location="")
    assert (info.status, info.total_chunks, info.persisted_chunk_count) == ("completed", 9, 9)
    assert (info.unpersisted_bytes, info.connections) == (0, 0)
    assert info.completed_at == MANIFEST.created_at
