"""A session is taken over from storage once, however many callers need it."""

import asyncio

import pytest

from api.session.registry import Registry
from api.wire.errors import SessionCompletedError
from storage.local import LocalStorage
from tests.api.conftest import PARAMETERS, ConnectionProbe
from tests.audio import pcm


async def test_concurrent_callers_open_a_session_once(registry: Registry) -> None:
    session = await registry.create(PARAMETERS, None)
    await session.release()
    found = await registry.lookup(str(session.session_id))
    opened = await asyncio.gather(*(registry.open(found) for _ in range(5)))
    assert len(set(map(id, opened))) == 1
    assert opened[0] is not session


async def test_a_takeover_continues_if_its_caller_is_cancelled(registry: Registry) -> None:
    session = await registry.create(PARAMETERS, None)
    connection = ConnectionProbe()
    await session.attach(connection)
    await session.receive(connection, pcm(10))
    await session.release()
    found = await registry.lookup(str(session.session_id))
    opening = asyncio.create_task(registry.open(found))
    await asyncio.sleep(0)  # the takeover begins
    opening.cancel()
    await asyncio.wait([opening])
    assert (await registry.open(found)).counts().chunk_count == 1


async def test_a_session_that_was_completed_before_its_takeover_is_not_opened(
    registry: Registry, storage: LocalStorage
) -> None:
    session = await registry.create(PARAMETERS, None)
    await session.release()
    before = await registry.lookup(str(session.session_id))
    await (await registry.open(before)).close()
    with pytest.raises(SessionCompletedError):
        await registry.open(before)
    assert (await storage.manifest(session.session_id)).status == "completed"
