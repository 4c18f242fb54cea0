"""The live sessions of a process are found by id and by user."""

from api.session.live_sessions import LiveSessions
from api.session.registry import Registry
from tests.api.conftest import PARAMETERS, ConnectionProbe
from tests.audio import pcm
from tests.conftest import ManualClock


async def test_a_session_is_live_until_it_is_removed(registry: Registry) -> None:
    live = LiveSessions()
    session = await registry.create(PARAMETERS, "alice")
    live.add(session)
    assert session.session_id in live
    assert live.get(session.session_id) is session
    assert list(live) == [session]
    assert live.remove(session)
    assert not live.remove(session)
    assert list(live) == []


async def test_the_oldest_unused_session_is_that_of_the_user(
    registry: Registry, clock: ManualClock
) -> None:
    live = LiveSessions()
    used, oldest, newest = [await registry.create(PARAMETERS, "alice") for _ in range(3)]
    connection = ConnectionProbe()
    await used.attach(connection)
    await used.receive(connection, pcm(10))
    for session in (used, newest, oldest):
        live.add(session)
    assert live.unused_of("alice") is None
    clock.seconds = 61
    assert live.unused_of("alice") is oldest
    assert live.unused_of("bob") is None
    live.remove(oldest)
    assert live.unused_of("alice") is newest


async def test_unpersisted_audio_of_all_sessions_is_counted(registry: Registry) -> None:
    live = LiveSessions()
    for _ in range(2):
        session = await registry.create(PARAMETERS, None)
        connection = ConnectionProbe()
        await session.attach(connection)
        await session.receive(connection, pcm(10))
        live.add(session)
    assert live.unpersisted().pcm_bytes == 40
