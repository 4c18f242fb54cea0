"""Time limits of connections, streams and sessions, with a manual clock."""

import pytest

from api.maintenance.expiry import Expiry
from api.session.core import SessionLimits, SessionState
from api.session.registry import Registry
from api.session.session import Session
from api.wire.errors import ConnectionIdleError
from storage.local import LocalStorage
from tests.api.conftest import PARAMETERS, ConnectionProbe, new_registry
from tests.audio import pcm
from tests.conftest import ManualClock


@pytest.fixture
def expiry(registry: Registry) -> Expiry:
    """An expiry with the default limits of the settings."""
    return Expiry(registry)


async def test_a_silent_connection_is_closed_and_its_session_stays_active(
    expiry: Expiry, clock: ManualClock, session: Session, connection: ConnectionProbe
) -> None:
    clock.seconds = 300
    await expiry.sweep()
    assert connection.ended is None
    clock.seconds = 301
    await expiry.sweep()
    assert isinstance(connection.ended, ConnectionIdleError)
    assert session.state is SessionState.ACTIVE


async def test_a_connection_that_sends_stays_open(
    expiry: Expiry, clock: ManualClock, connection: ConnectionProbe
) -> None:
    for clock.seconds in range(0, 2000, 200):
        connection.last_received = clock.seconds
        await expiry.sweep()
    assert connection.ended is None


async def test_a_dropped_stream_can_be_resumed_until_its_timeout(
    expiry: Expiry, clock: ManualClock, session: Session, connection: ConnectionProbe
) -> None:
    await session.receive(connection, b"\x01")
    await session.detach(connection)
    clock.seconds = 300
    await expiry.sweep()
    again = ConnectionProbe()
    await session.resume(again)
    await session.receive(again, b"\x02\x03")
    await session.detach(again)
    assert session.counts().duration_seconds == 1 / 22050
    clock.seconds = 601
    await expiry.sweep()
    late = ConnectionProbe()
    await session.resume(late)
    await session.receive(late, b"\x04")
    assert session.counts().duration_seconds == 1 / 22050


async def test_a_session_without_connections_is_completed_after_its_timeout(
    expiry: Expiry, clock: ManualClock, session: Session, connection: ConnectionProbe
) -> None:
    clock.seconds = 5000
    connection.last_received = clock.seconds
    await session.receive(connection, pcm(10))
    await session.detach(connection)
    clock.seconds = 5000 + 3600
    await expiry.sweep()
    assert session.state is SessionState.ACTIVE
    clock.seconds += 1
    await expiry.sweep()
    assert session.gone.is_set()


async def test_a_connected_session_is_not_completed_by_the_idle_timeout(
    expiry: Expiry, clock: ManualClock, session: Session, connection: ConnectionProbe
) -> None:
    clock.seconds = 80000
    connection.last_received = clock.seconds
    await expiry.sweep()
    assert session.state is SessionState.ACTIVE


async def test_a_session_older_than_the_limit_is_completed_with_a_final_message(
    expiry: Expiry, clock: ManualClock, session: Session, connection: ConnectionProbe
) -> None:
    clock.seconds = 86401
    connection.last_received = clock.seconds
    await expiry.sweep()
    assert connection.final is not None
    assert connection.final.status == "completed"


async def test_a_session_with_more_audio_than_the_limit_is_completed(
    storage: LocalStorage, clock: ManualClock
) -> None:
    registry = new_registry(storage, clock, limits=SessionLimits(max_session_duration_seconds=1.0))
    session, connection = await registry.create(PARAMETERS, None), ConnectionProbe()
    await session.attach(connection)
    expiry = Expiry(registry)
    await session.receive(connection, pcm(22050))
    await expiry.sweep()
    assert session.state is SessionState.ACTIVE
    await session.receive(connection, pcm(1))
    await expiry.sweep()
    assert connection.final is not None


async def test_an_error_in_one_session_does_not_stop_the_expiry_of_others(
    expiry: Expiry,
    clock: ManualClock,
    registry: Registry,
    session: Session,
    connection: ConnectionProbe,
) -> None:
    async def fail(error: Exception) -> None:
        raise OSError("Too many open files")

    connection.end = fail  # type: ignore[method-assign]
    other, other_connection = await registry.create(PARAMETERS, None), ConnectionProbe()
    await other.attach(other_connection)
    clock.seconds = 301
    await expiry.sweep()
    assert isinstance(other_connection.ended, ConnectionIdleError)


async def test_a_session_without_audio_is_completed_earlier(
    expiry: Expiry, clock: ManualClock, registry: Registry
) -> None:
    empty, used = [await registry.create(PARAMETERS, None) for _ in range(2)]
    connection = ConnectionProbe()
    await used.attach(connection)
    await used.receive(connection, pcm(10))
    await used.detach(connection)
    clock.seconds = 301
    await expiry.sweep()
    assert (empty.state, used.state) == (SessionState.COMPLETED, SessionState.ACTIVE)
