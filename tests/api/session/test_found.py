"""A session that was looked up: live in this process, or stored. Reading changes nothing."""

from pathlib import Path

import pytest

from api.session.found import Live, Stored
from api.session.registry import Registry
from api.session.session import Session
from api.wire.errors import SessionNotFoundError
from storage.local import LocalStorage
from storage.manifest import Manifest
from tests.api.conftest import ConnectionProbe
from tests.audio import pcm
from tests.conftest import ManualClock


@pytest.fixture
async def released(session: Session, connection: ConnectionProbe) -> Session:
    """A session with audio that no process has open."""
    await session.receive(connection, pcm(22050))
    await session.release()
    return session


async def read(found: Live | Stored) -> bytes:
    audio = await found.audio()
    return b"".join([block async for block in audio.read(80, audio.size_bytes)])


async def test_a_live_session_shows_its_own_state(
    session: Session, connection: ConnectionProbe
) -> None:
    await session.receive(connection, pcm(22050))
    live = Live(session)
    info = await live.info()
    assert (info.total_chunks, info.connections, info.duration_seconds) == (1, 1, 1.0)
    assert await read(live) == pcm(22050)
    assert (live.session_id, live.manifest) == (session.session_id, session.recording.manifest)
    assert (await live.owner(), await live.link(60)) == (None, None)


async def test_a_stored_session_shows_what_a_takeover_would_continue(
    released: Session, storage: LocalStorage, registry: Registry, clock: ManualClock
) -> None:
    stored = Stored(released.recording.manifest, storage, clock)
    info = await stored.info()
    assert (info.status, info.total_chunks, info.persisted_chunk_count) == ("active", 1, 1)
    assert info.duration_seconds == 1.0
    assert await read(stored) == pcm(22050)
    assert registry.live == []


async def test_a_session_that_is_completed_meanwhile_shows_its_final_state(
    released: Session, storage: LocalStorage, registry: Registry, clock: ManualClock
) -> None:
    stored = Stored(released.recording.manifest, storage, clock)
    await registry.close(await registry.lookup(str(released.session_id)))
    info = await stored.info()
    assert (info.status, info.total_chunks) == ("completed", 1)
    assert stored.manifest.status == "completed"


async def test_the_audio_of_a_session_that_is_deleted_meanwhile_is_not_found(
    released: Session, storage: LocalStorage, clock: ManualClock, tmp_path: Path
) -> None:
    manifest: Manifest = released.recording.manifest
    await storage.delete(manifest)
    with pytest.raises(SessionNotFoundError):
        await Stored(manifest, storage, clock).audio()
