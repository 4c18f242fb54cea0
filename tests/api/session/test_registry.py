"""The registry creates, finds, opens and closes sessions."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from api.session.core import SessionState
from api.session.found import Live
from api.session.other_workers import NoOtherWorkers
from api.session.registry import Registry
from api.wire.errors import (
    SessionCompletedError,
    SessionNotFoundError,
    TooManySessionsError,
    TooManyUserSessionsError,
)
from api.workers.limits import OwnLimits
from storage.local import LocalStorage
from storage.manifest import Manifest
from storage.volume.recording import VolumeRecording
from tests.api.conftest import PARAMETERS, ConnectionProbe, new_registry
from tests.audio import pcm
from tests.conftest import ManualClock

UNKNOWN = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"


async def test_session_ids_are_uuids_of_version_7_in_order_of_creation(registry: Registry) -> None:
    made = [(await registry.create(PARAMETERS, None)).session_id for _ in range(5)]
    assert {session_id.version for session_id in made} == {7}
    assert made == sorted(made)


async def test_the_registry_limits_the_number_of_sessions(
    storage: LocalStorage, clock: ManualClock
) -> None:
    registry = new_registry(storage, clock, max_sessions=2)
    results = await asyncio.gather(
        *(registry.create(PARAMETERS, None) for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(result, TooManySessionsError) for result in results) == 3
    await registry.close(Live(registry.live[0]))
    await registry.create(PARAMETERS, None)
    await registry.shutdown()


async def test_a_session_is_opened_after_its_creation_has_ended(
    tmp_path: Path, clock: ManualClock
) -> None:
    """Its manifest is found before."""
    created, go_on = asyncio.Event(), asyncio.Event()

    class SlowStorage(LocalStorage):
        async def create(self, manifest: Manifest) -> VolumeRecording:
            recording = await super().create(manifest)
            created.set()
            await go_on.wait()
            return recording

    storage = SlowStorage(tmp_path, sync_interval_seconds=3600)
    await storage.start()
    registry = new_registry(storage, clock)
    creating = asyncio.create_task(registry.create(PARAMETERS, None, call_hash="ab" * 16))
    await created.wait()
    (found,) = await registry.of_call("ab" * 16)
    opening = asyncio.create_task(registry.open(found))
    await asyncio.sleep(0)
    go_on.set()
    assert await opening is await creating
    await registry.shutdown()
    await storage.stop()


async def test_a_damaged_session_is_left_out_of_its_call(
    registry: Registry, tmp_path: Path
) -> None:
    sessions = [await registry.create(PARAMETERS, None, call_hash="ab" * 16) for _ in range(2)]
    await sessions[0].release()
    (tmp_path / f"{sessions[0].session_id}.json").write_text("{")
    (found,) = await registry.of_call("ab" * 16)
    assert found.session_id == sessions[1].session_id


async def test_closing_is_idempotent_and_completes_sessions_that_are_not_live(
    registry: Registry,
) -> None:
    session = await registry.create(PARAMETERS, None)
    await session.release()
    found = await registry.lookup(str(session.session_id))
    first = await registry.close(found)
    assert first.status == "completed"
    assert await registry.close(found) == first
    assert await (await registry.lookup(str(session.session_id))).info() == first


async def test_a_completed_session_cannot_be_opened(registry: Registry) -> None:
    session = await registry.create(PARAMETERS, None)
    await session.close()
    for found in (Live(session), await registry.lookup(str(session.session_id))):
        with pytest.raises(SessionCompletedError):
            await registry.open(found)


@pytest.mark.parametrize("session_id", [UNKNOWN, "", "x", "../../etc/passwd", UNKNOWN[:-1]])
async def test_an_unknown_or_invalid_session_id_is_not_found(
    registry: Registry, session_id: str
) -> None:
    with pytest.raises(SessionNotFoundError):
        await registry.lookup(session_id)


async def test_reading_a_session_that_is_not_live_does_not_open_it(registry: Registry) -> None:
    session = await registry.create(PARAMETERS, None)
    connection = ConnectionProbe()
    await session.attach(connection)
    await session.receive(connection, pcm(22050))
    await session.release()
    found = await registry.lookup(str(session.session_id))
    info = await found.info()
    assert (info.status, info.total_chunks, info.duration_seconds) == ("active", 1, 1.0)
    audio = await found.audio()
    read = b"".join([block async for block in audio.read(80, audio.size_bytes)])
    assert read == pcm(22050)
    page = await registry.pages.read(limit=10)
    assert [listed.total_chunks for listed in page.sessions] == [1]
    assert registry.live == []


async def test_a_session_completed_after_its_lookup_is_reported_as_completed(
    registry: Registry,
) -> None:
    session = await registry.create(PARAMETERS, None)
    await session.release()
    before = await registry.lookup(str(session.session_id))
    await registry.close(before)
    assert (await before.info()).status == "completed"


async def test_a_user_at_the_limit_does_not_keep_others_from_creating(
    storage: LocalStorage, clock: ManualClock
) -> None:
    registry = new_registry(storage, clock, max_sessions_per_user=2)
    for _ in range(2):
        await registry.create(PARAMETERS, "alice")
    with pytest.raises(TooManyUserSessionsError):
        await registry.create(PARAMETERS, "alice")
    await registry.create(PARAMETERS, "bob")
    for _ in range(3):
        await registry.create(PARAMETERS, None)
    await registry.shutdown()


async def test_sessions_that_have_ended_do_not_count_for_their_user(
    storage: LocalStorage, clock: ManualClock
) -> None:
    registry = new_registry(storage, clock, max_sessions_per_user=1)
    session = await registry.create(PARAMETERS, "alice")
    for end in (registry.close, registry.deletions.delete):
        with pytest.raises(TooManyUserSessionsError):
            await registry.create(PARAMETERS, "alice")
        await end(Live(session))
        session = await registry.create(PARAMETERS, "alice")
    await registry.shutdown()
    assert registry.live == []


@pytest.mark.parametrize("limits", [{"max_sessions_per_user": 3}, {"max_sessions": 4}])
async def test_at_a_limit_only_an_unused_session_of_the_same_user_gives_way(
    storage: LocalStorage, clock: ManualClock, limits: dict[str, Any]
) -> None:
    registry = new_registry(storage, clock, **limits)
    other = await registry.create(PARAMETERS, "bob")
    with_audio, connected, unused = [await registry.create(PARAMETERS, "alice") for _ in range(3)]
    connection = ConnectionProbe()
    await with_audio.attach(connection)
    await with_audio.receive(connection, pcm(10))
    await with_audio.detach(connection)
    await connected.attach(ConnectionProbe())
    clock.seconds = 60
    with pytest.raises((TooManySessionsError, TooManyUserSessionsError)):
        await registry.create(PARAMETERS, "alice")
    clock.seconds = 61
    created = await registry.create(PARAMETERS, "alice")
    assert unused.state is SessionState.COMPLETED
    assert set(registry.live) == {other, with_audio, connected, created}
    with pytest.raises((TooManySessionsError, TooManyUserSessionsError)):
        await registry.create(PARAMETERS, "alice")
    await registry.shutdown()


async def test_admins_have_a_reserve_of_sessions(storage: LocalStorage, clock: ManualClock) -> None:
    registry = new_registry(storage, clock, max_sessions=1)
    await registry.create(PARAMETERS, "alice")
    for _ in range(10):
        await registry.create(PARAMETERS, "root", is_admin=True)
    for is_admin in (False, True):
        with pytest.raises(TooManySessionsError):
            await registry.create(PARAMETERS, "root", is_admin=is_admin)
    await registry.shutdown()


async def test_sessions_that_are_being_created_count(
    storage: LocalStorage, clock: ManualClock
) -> None:
    registry = new_registry(storage, clock, max_sessions_per_user=1)
    creating = [registry.create(PARAMETERS, "alice") for _ in range(5)]
    results = await asyncio.gather(*creating, return_exceptions=True)
    assert sum(isinstance(each, TooManyUserSessionsError) for each in results) == 4
    assert len(registry.live) == 1
    await registry.shutdown()


async def test_an_unused_session_on_another_worker_gives_way(
    storage: LocalStorage, clock: ManualClock
) -> None:
    limits = OwnLimits()  # as the supervisor has them for all workers
    other = new_registry(storage, clock, max_sessions_per_user=1, service_limits=limits)

    class TheOther(NoOtherWorkers):
        async def complete_unused(self, user_id: str) -> bool:
            return await other.complete_unused(user_id)

    registry = new_registry(
        storage,
        clock,
        max_sessions_per_user=1,
        service_limits=limits,
        other_workers=TheOther(),
    )
    unused = await other.create(PARAMETERS, "alice")
    with pytest.raises(TooManyUserSessionsError):
        await registry.create(PARAMETERS, "alice")
    clock.seconds += 61
    session = await registry.create(PARAMETERS, "alice")
    assert unused.state is SessionState.COMPLETED
    assert (registry.live, other.live) == ([session], [])
    await registry.shutdown()
