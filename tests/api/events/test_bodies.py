"""A body is made of what storage shows; what it does not show is not told."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from api.clock import SystemClock
from api.events.bodies import Bodies, NeverError, NotYetError
from api.events.entry import Entry, EventType, new_entry
from api.session.info import session_info
from api.wire.messages import DownloadLink
from storage.base import Recording
from storage.checkpoint import Checkpoint
from storage.local import LocalStorage
from storage.manifest import Manifest
from tests.audio import pcm
from tests.storage.conftest import new_manifest

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[LocalStorage]:
    storage = LocalStorage(tmp_path, sync_interval_seconds=3600)
    await storage.start()
    yield storage
    await storage.stop()


@pytest.fixture
async def recording(storage: LocalStorage) -> AsyncIterator[Recording]:
    recording = await storage.create(new_manifest())
    yield recording
    recording.abandon()


async def link_to(manifest: Manifest) -> DownloadLink:
    return DownloadLink(url=f"https://rec.example/{manifest.session_id}", expires_at=NOW)


@pytest.fixture
def bodies(storage: LocalStorage) -> Bodies:
    return Bodies(storage, SystemClock(), link_to)


def entry(event: EventType, manifest: Manifest, **more: Any) -> Entry:
    return new_entry(event, manifest.session_id, NOW, **more)


async def body(bodies: Bodies, of: Entry) -> dict[str, Any]:
    return dict(msgspec.json.decode(await bodies.of(of)))


async def test_created_is_told_when_the_session_exists(
    bodies: Bodies, recording: Recording
) -> None:
    with pytest.raises(NotYetError):
        await bodies.of(entry("session.created", new_manifest()))
    found = await body(bodies, entry("session.created", recording.manifest))
    assert found["type"] == "session.created"
    assert found["timestamp"] == "2026-01-02T00:00:00Z"
    assert found["sequence"] == 0
    assert found["data"]["session"]["status"] == "active"


async def test_completed_is_told_when_the_manifest_says_so_with_a_link(
    bodies: Bodies, recording: Recording
) -> None:
    completed = entry("session.completed", recording.manifest)
    with pytest.raises(NotYetError):
        await bodies.of(completed)
    recording.append(pcm(100), Checkpoint(1, 200))
    await recording.complete(NOW)
    data = (await body(bodies, completed))["data"]
    assert data["session"]["total_chunks"] == 1
    assert data["session_id"] == recording.manifest.session_id
    assert data["link"]["url"].endswith(recording.manifest.session_id)


async def test_deleted_is_told_when_the_session_is_gone_with_what_was_known_of_it(
    bodies: Bodies, storage: LocalStorage, recording: Recording
) -> None:
    manifest = recording.manifest
    info = session_info(manifest, location="there")
    deleted = entry("session.deleted", manifest, session=info)
    with pytest.raises(NotYetError):
        await bodies.of(deleted)
    recording.abandon()
    await storage.delete(manifest)
    assert (await body(bodies, deleted))["data"]["session"]["file_path"] == "there"
    for event in ("session.completed", "session.taken_over", "session.warning"):
        with pytest.raises(NeverError):
            await bodies.of(entry(event, manifest))


async def test_a_warning_is_told_when_the_session_has_it(
    bodies: Bodies, recording: Recording
) -> None:
    warning = entry("session.warning", recording.manifest, detail="decode_failed")
    with pytest.raises(NotYetError):
        await bodies.of(warning)
    recording.append(b"", Checkpoint().warned("decode_failed", "damaged", frame=0))
    data = (await body(bodies, warning))["data"]
    assert (data["code"], data["session"]["warning_count"]) == ("decode_failed", 1)
    await recording.complete(NOW)
    await bodies.of(warning)
    with pytest.raises(NeverError):
        await bodies.of(entry("session.warning", recording.manifest, detail="no_audio"))


async def test_a_warning_beyond_those_that_a_session_keeps_is_told(
    bodies: Bodies, recording: Recording
) -> None:
    checkpoint = Checkpoint()
    for number in range(8):
        checkpoint = checkpoint.warned(f"code_{number}", "text", frame=0)
    recording.append(b"", checkpoint)
    await bodies.of(entry("session.warning", recording.manifest, detail="code_7"))


async def test_a_damaged_manifest_is_an_error_that_tells_nothing(
    bodies: Bodies,
    storage: LocalStorage,
    recording: Recording,
    tmp_path: Path,
) -> None:
    from storage.errors import BadObjectError

    key = UUID(recording.manifest.session_id)
    (tmp_path / f"{key}.json").write_bytes(b"damaged")
    check: Callable[[Entry], Any] = bodies.of
    with pytest.raises(BadObjectError):
        await check(entry("session.completed", recording.manifest))
    del storage
