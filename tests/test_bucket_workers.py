"""P4 in a bucket: each worker is a node, and what a dead one had acknowledged is not lost."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.audio import pcm
from tests.crashes import assert_recorded, record_through_crashes
from tests.eventually import eventually
from tests.service import Service
from tests.test_workers import reconnected, sessions

# With these, nothing is persisted before a session is closed, and no lease expires meanwhile.
UNPERSISTED = {"segment_seconds": 600, "lease_seconds": 120}


def folder_of(service: Service, session_id: str) -> Path:
    """Return the folder with the spool of a session."""
    (state,) = service.folder.glob(f"*/{session_id}.state")
    return state.parent


async def close(service: Service, session_id: str) -> None:
    """Close a session as soon as it has a living owner."""
    path = f"/api/audio/sessions/{session_id}/close"

    async def closed() -> bool:
        return (await asyncio.to_thread(service.post, path)).ok

    await eventually(closed, awaiting=f"{session_id} closed")


async def test_nothing_is_lost_if_four_workers_are_killed_and_one_process_starts(
    on_bucket: Callable[..., Service], objects: Callable[[], dict[str, bytes]]
) -> None:
    service = on_bucket(workers=4, **UNPERSISTED)
    async with sessions(service, 8) as clients:
        ids = [client.session_id for client in clients]
        assert len({folder_of(service, each) for each in ids}) == 4
        service.kill()
    service._settings["WORKERS"] = "1"
    service.start()
    await service.live(8)
    for each in ids:
        await close(service, each)
    assert service.stop() == 0
    found = objects()
    for each in ids:
        assert found[f"{each}.wav"][80:] == pcm(100)
        assert json.loads(found[f"{each}.json"])["chunk_count"] == 1


async def test_the_sessions_of_one_process_go_on_in_workers_and_of_a_killed_worker_in_another(
    on_bucket: Callable[..., Service], objects: Callable[[], dict[str, bytes]]
) -> None:
    """The one process leaves its spool where release 0.2.0 does."""
    service = on_bucket(workers=1, **UNPERSISTED)
    async with service.session() as old:
        await old.send(pcm(100))
        service.kill()
    service._settings["WORKERS"] = "2"
    service.start()
    await service.live(1)
    async with sessions(service, 4) as clients:
        by_folder = {folder_of(service, each.session_id): each for each in clients}
        assert len(by_folder) == 2
        number = int((folder := min(by_folder)).joinpath(".node").read_text()[36:].split(":")[1])
        service.worker(number).kill()
        lost = by_folder[folder].session_id
        async with reconnected(service, old.session_id, lost) as again:
            for client in again:
                assert client.greeting["chunk_count"] == 1
                await client.send(pcm(50))
        for each in (old, *clients):
            await close(service, each.session_id)
    assert service.stop() == 0
    found = objects()
    assert found[f"{old.session_id}.wav"][80:] == pcm(100) + pcm(50)
    assert found[f"{lost}.wav"][80:] == pcm(100) + pcm(50)


@pytest.mark.long
async def test_six_formats_survive_kills_of_workers_on_a_bucket(
    on_bucket: Callable[..., Service], objects: Callable[[], dict[str, bytes]]
) -> None:
    service = on_bucket(workers=3, segment_seconds=0.5)

    async def crash(service: Service) -> None:
        workers = await eventually(service.workers, awaiting="a worker")
        with contextlib.suppress(ProcessLookupError):
            workers[0].kill()
        await eventually(
            lambda: workers[0] not in service.workers() and len(service.workers()) == 3,
            awaiting="the new worker",
        )

    recorders = await record_through_crashes([service], crash, seed=5, kills=5)
    service.stop()
    found = {key: body for key, body in objects().items() if "/" not in key}
    assert_recorded(recorders, found)
