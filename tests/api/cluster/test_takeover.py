"""A process takes over the sessions of its predecessor."""

import asyncio
import contextlib
from pathlib import Path
from uuid import UUID

from api.cluster.takeover import Takeover
from storage.errors import StorageUnavailableError
from storage.local import LocalStorage
from storage.worker import Worker
from tests.api.conftest import PARAMETERS, ConnectionProbe, new_registry
from tests.audio import pcm
from tests.conftest import ManualClock
from tests.eventually import eventually


async def test_a_new_process_takes_over_the_active_sessions(
    storage: LocalStorage, clock: ManualClock
) -> None:
    first = new_registry(storage, clock)
    session = await first.create(PARAMETERS, "user")
    done = await first.create(PARAMETERS, None)
    connection = ConnectionProbe()
    await session.attach(connection)
    await session.receive(connection, pcm(100))
    await done.close()
    await first.shutdown()

    second = new_registry(storage, clock)
    await Takeover(second, storage, lease_seconds=15).recover()
    assert [live.session_id for live in second.live] == [session.session_id]
    info = second.live[0].info()
    assert (info.total_chunks, info.persisted_chunk_count, info.user_id) == (1, 1, "user")
    await second.shutdown()


async def test_a_session_that_cannot_be_taken_over_does_not_block_others(
    storage: LocalStorage, clock: ManualClock, tmp_path: Path
) -> None:
    first = new_registry(storage, clock)
    broken = await first.create(PARAMETERS, None)
    whole = await first.create(PARAMETERS, None)
    await first.shutdown()
    (tmp_path / f"{broken.session_id}.json").write_bytes(b"{")

    second = new_registry(storage, clock)
    await Takeover(second, storage, lease_seconds=15).recover()
    assert [live.session_id for live in second.live] == [whole.session_id]
    await second.shutdown()


async def test_sessions_of_a_worker_that_has_ended_are_taken_over_at_once(
    clock: ManualClock, tmp_path: Path
) -> None:
    """With a lease of an hour: the takeover waits for the worker, not for the lease."""
    async with contextlib.AsyncExitStack() as stack:
        (tmp_path / ".active").mkdir()
        storages = [LocalStorage(tmp_path, worker=Worker(number, 2)) for number in (1, 2)]
        for storage in storages:
            await storage.start()
            stack.push_async_callback(storage.stop)
        first, second = (new_registry(storage, clock) for storage in storages)
        session = await first.create(PARAMETERS, None)
        look = asyncio.Event()
        takeover = Takeover(second, storages[1], lease_seconds=3600, look=look)
        running = asyncio.create_task(takeover.run())
        look.set()
        await eventually(lambda: not look.is_set(), awaiting="a look")
        assert second.live == []  # its worker lives
        await first.shutdown()
        look.set()
        await eventually(lambda: second.live, awaiting="the takeover")
        assert second.live[0].session_id == session.session_id
        running.cancel()
        await second.shutdown()


class OnceUnavailable(LocalStorage):
    """A storage whose first search for sessions to take over fails."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.shares = 0

    async def share(self) -> list[UUID]:
        self.shares += 1
        if self.shares == 1:
            raise StorageUnavailableError("down")
        return await super().share()


async def test_a_recovery_that_failed_is_repeated_also_if_a_worker_has_ended(
    clock: ManualClock, tmp_path: Path
) -> None:
    storage = OnceUnavailable(tmp_path)
    await storage.start()
    first = new_registry(storage, clock)
    session = await first.create(PARAMETERS, None)
    await first.shutdown()
    second, look = new_registry(storage, clock), asyncio.Event()
    running = asyncio.create_task(Takeover(second, storage, lease_seconds=3600, look=look).run())
    await eventually(lambda: storage.shares == 1, awaiting="the failure")
    look.set()
    await asyncio.wait_for(second.recovered.wait(), 30)
    assert [live.session_id for live in second.live] == [session.session_id]
    assert storage.shares == 2
    running.cancel()
    await second.shutdown()
    await storage.stop()
