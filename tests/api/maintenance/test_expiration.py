"""Sessions are deleted at their ``expires_at``, whatever RETENTION_DAYS says; held ones are not."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api.maintenance.clock_check import ClockError
from api.maintenance.expiration import Expiration
from api.maintenance.retention import Retention
from api.session.core import SessionState
from api.session.found import Stored
from api.session.registry import Registry
from storage.details import DetailChanges, Details
from storage.errors import SessionHeldError
from storage.local import LocalStorage
from tests.api.conftest import PARAMETERS
from tests.conftest import ManualClock

DAY_SECONDS = 86400


@pytest.fixture
def today(clock: ManualClock) -> float:
    """Set the manual clock to the real time, because session ids hold the real time."""
    clock.seconds = (datetime.now(UTC) - clock.now()).total_seconds()
    return clock.seconds


def in_days(clock: ManualClock, days: float) -> datetime:
    return clock.now() + timedelta(days=days)


async def completed(registry: Registry, details: Details) -> str:
    session = await registry.create(PARAMETERS, None, details)
    return (await session.close()).session_id  # type: ignore[union-attr]


def stored_in(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.wav")}


async def test_a_session_is_deleted_at_its_time_in_place_of_its_age(
    registry: Registry, storage: LocalStorage, clock: ManualClock, today: float, tmp_path: Path
) -> None:
    deleted: list[str] = []
    expiration = Expiration(registry, storage, clock, deleted=deleted.append)
    retention = Retention(registry, storage, clock, days=30, deleted=deleted.append)
    early = await completed(registry, Details(expires_at=in_days(clock, 1)))
    late = await completed(registry, Details(expires_at=in_days(clock, 60)))
    plain = await completed(registry, Details())
    for day, left in [(0.9, {early, late, plain}), (1.1, {late, plain}), (31, {late}), (61, set())]:
        clock.seconds = today + day * DAY_SECONDS
        await expiration.sweep()
        await retention.sweep()
        assert stored_in(tmp_path) == left
    assert deleted == [early, plain, late]


async def test_a_session_with_a_hold_outlives_its_time_and_its_age(
    registry: Registry, storage: LocalStorage, clock: ManualClock, today: float, tmp_path: Path
) -> None:
    expiration = Expiration(registry, storage, clock, deleted=lambda _: None)
    retention = Retention(registry, storage, clock, days=30, deleted=lambda _: None)
    expiring = await completed(registry, Details(hold=True, expires_at=in_days(clock, 1)))
    plain = await completed(registry, Details(hold=True))
    clock.seconds = today + 400 * DAY_SECONDS
    await expiration.sweep()
    await retention.sweep()
    assert stored_in(tmp_path) == {expiring, plain}
    found = await registry.lookup(expiring)
    with pytest.raises(SessionHeldError):
        await registry.deletions.delete(found)
    await registry.change(found, DetailChanges(hold=False))
    await expiration.sweep()
    assert stored_in(tmp_path) == {plain}


async def test_an_active_session_that_is_held_goes_on_after_a_refused_deletion(
    registry: Registry, clock: ManualClock
) -> None:
    session = await registry.create(PARAMETERS, None, Details(hold=True))
    with pytest.raises(SessionHeldError):
        await registry.deletions.delete(await registry.lookup(str(session.session_id)))
    assert registry.live == [session]
    assert session.state is SessionState.ACTIVE


async def test_an_active_session_expires_only_after_it_is_completed(
    registry: Registry, storage: LocalStorage, clock: ManualClock, today: float, tmp_path: Path
) -> None:
    session = await registry.create(PARAMETERS, None, Details(expires_at=in_days(clock, 1)))
    expiration = Expiration(registry, storage, clock, deleted=lambda _: None)
    clock.seconds = today + 2 * DAY_SECONDS
    await expiration.sweep()
    assert stored_in(tmp_path) == {str(session.session_id)}
    await session.close()
    await expiration.sweep()
    assert stored_in(tmp_path) == set()


async def test_nothing_expires_while_the_clock_cannot_be_trusted(
    registry: Registry, storage: LocalStorage, clock: ManualClock, today: float, tmp_path: Path
) -> None:
    kept = await completed(registry, Details(expires_at=in_days(clock, 100)))
    expiration = Expiration(registry, storage, clock, deleted=lambda _: None)
    clock.set_by_seconds = 200 * DAY_SECONDS
    with pytest.raises(ClockError, match="was set by"):
        await expiration.sweep()
    assert stored_in(tmp_path) == {kept}


async def test_a_session_that_is_held_after_the_search_is_kept_without_an_error(
    registry: Registry,
    storage: LocalStorage,
    clock: ManualClock,
    today: float,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    session_id = await completed(registry, Details(expires_at=in_days(clock, 1)))
    clock.seconds = today + 2 * DAY_SECONDS
    pages = [page async for page in storage.expired(clock.now())]
    found = await registry.lookup(session_id)
    assert isinstance(found, Stored)
    await registry.change(found, DetailChanges(hold=True))
    deleted: list[str] = []
    await Expiration(registry, storage, clock, deleted=deleted.append)._delete(pages[0])
    assert (stored_in(tmp_path), deleted) == ({session_id}, [])
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []
