"""The values of the client keep what the service sends."""

from datetime import UTC, datetime

import pytest

from sercuescribe_client import Client
from sercuescribe_client.models import SessionInfo, SharedLink
from tests.service import Service

FIELDS = {
    "session_id": "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b",
    "status": "active",
    "user_id": None,
    "sample_rate": 16000,
    "channels": 1,
    "format": "wav",
    "total_chunks": 3,
    "persisted_chunk_count": 2,
    "duration_seconds": 1.5,
    "file_path": "/x.wav",
    "size_bytes": 80,
    "unpersisted_bytes": 4,
    "unpersisted_seconds": 0.5,
    "connections": 1,
    "created_at": "2026-01-01T00:00:00+00:00",
    "completed_at": None,
    "error": None,
    "warnings": (),
    "warning_count": 0,
    "title": "Interview",
    "metadata": {"project": "radio"},
    "hold": True,
    "expires_at": "2027-01-01T00:00:00+00:00",
    "disconnected_at": "2026-01-01T00:01:00+00:00",
    "idle_until": "2026-01-01T01:01:00+00:00",
    "paused": False,
    "receipt": None,
}


def test_times_are_parsed_and_written_again() -> None:
    info = SessionInfo.from_json(FIELDS)
    assert info.created_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert info.completed_at is None
    assert info.to_json() == FIELDS
    assert info.expires_at == datetime(2027, 1, 1, tzinfo=UTC)
    assert info.disconnected_at == datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    assert info.idle_until == datetime(2026, 1, 1, 1, 1, tzinfo=UTC)
    done = SessionInfo.from_json(FIELDS | {"completed_at": "2026-01-02T00:00:00Z"})
    assert done.completed_at == datetime(2026, 1, 2, tzinfo=UTC)


def test_a_field_of_a_later_service_is_ignored_and_a_missing_one_is_an_error() -> None:
    assert SessionInfo.from_json(FIELDS | {"later": 1}) == SessionInfo.from_json(FIELDS)
    with pytest.raises(KeyError):
        SessionInfo.from_json({name: FIELDS[name] for name in FIELDS if name != "channels"})


def test_a_session_of_release_0_2_0_has_no_title() -> None:
    new = {"title", "metadata", "hold", "expires_at", "disconnected_at", "idle_until", "receipt"}
    info = SessionInfo.from_json({name: FIELDS[name] for name in FIELDS if name not in new})
    assert (info.title, info.metadata, info.hold, info.expires_at) == (None, {}, False, None)
    assert (info.disconnected_at, info.idle_until) == (None, None)


async def test_every_field_is_one_that_the_service_sends(client: Client, service: Service) -> None:
    created = service.post("/api/audio/sessions").json()["session"]
    assert set((await client.info(created["session_id"])).to_json()) == set(FIELDS)
    assert set(FIELDS) <= set(created)


def test_a_link_is_read_and_written_again_with_and_without_its_address() -> None:
    fields = {
        "link_id": "2b",
        "created_at": "2026-01-01T00:00:00+00:00",
        "expires_at": "2026-01-02T00:00:00+00:00",
        "start": None,
        "end": 2.5,
        "format": "mp3",
        "url": "http://x/l/1/2",
    }
    assert SharedLink.from_json(fields | {"later": 1}).to_json() == fields
    listed = {name: fields[name] for name in fields if name != "url"}
    assert SharedLink.from_json(listed).to_json() == fields | {"url": None}
