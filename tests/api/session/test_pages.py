"""A page lists live and stored sessions, and opens none."""

from api.session.registry import Registry
from storage.filters import Filters
from tests.api.conftest import PARAMETERS, ConnectionProbe
from tests.audio import pcm


async def test_a_live_session_is_listed_with_its_current_duration(registry: Registry) -> None:
    session = await registry.create(PARAMETERS, None)
    connection = ConnectionProbe()
    await session.attach(connection)
    await session.receive(connection, pcm(22050))
    page = await registry.pages.read(Filters(status="active"), limit=10)
    assert [info.duration_seconds for info in page.sessions] == [1.0]


async def test_other_workers_get_the_sessions_of_their_page_that_are_live_here(
    registry: Registry,
) -> None:
    first, second, third = [await registry.create(PARAMETERS, None) for _ in range(3)]
    found = registry.pages.live_between(first.session_id, second.session_id)
    assert found == [first.info(), second.info()]
    await second.release()
    assert registry.pages.live_between(second.session_id, third.session_id) == [third.info()]
