"""A session is deleted as a whole, and not opened meanwhile."""

import asyncio
from pathlib import Path

import pytest

from api.session.found import Live
from api.session.registry import Registry
from api.wire.errors import SessionNotFoundError
from storage.details import DetailChanges
from storage.errors import SessionHeldError
from tests.api.conftest import PARAMETERS


async def test_deleting_a_live_session_removes_its_files(
    registry: Registry, tmp_path: Path
) -> None:
    session = await registry.create(PARAMETERS, None)
    await registry.deletions.delete(Live(session))
    assert not list(tmp_path.glob(f"{session.session_id}*"))
    assert registry.live == []


async def test_a_session_is_not_opened_while_it_is_being_deleted(
    registry: Registry, tmp_path: Path
) -> None:
    session = await registry.create(PARAMETERS, None)
    session_id = str(session.session_id)
    results = await asyncio.gather(
        registry.deletions.delete(Live(session)),
        *(registry.open(Live(session)) for _ in range(5)),
        return_exceptions=True,
    )
    assert results[0] is None
    assert not list(tmp_path.glob(f"{session_id}*"))
    with pytest.raises(SessionNotFoundError):
        await registry.open(Live(session))


async def test_a_session_on_hold_is_not_deleted_and_goes_on(registry: Registry) -> None:
    session = await registry.create(PARAMETERS, None)
    await session.change(DetailChanges(hold=True))
    with pytest.raises(SessionHeldError):
        await registry.deletions.delete(Live(session))
    assert await registry.open(Live(session)) is session
