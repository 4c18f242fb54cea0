"""A process takes over the sessions of its predecessor."""

from pathlib import Path

from api.cluster.takeover import Takeover
from storage.local import LocalStorage
from tests.api.conftest import PARAMETERS, ConnectionProbe, new_registry
from tests.audio import pcm
from tests.conftest import ManualClock


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
