"""Retention deletes old recordings and nothing else, with a manual clock."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.maintenance.retention import Retention
from api.session.registry import Registry
from tests.api.conftest import PARAMETERS
from tests.conftest import ManualClock

DAY_SECONDS = 86400


@pytest.fixture
def today(clock: ManualClock) -> float:
    """Set the manual clock to the real time, because session ids hold the real time."""
    clock.seconds = (datetime.now(UTC) - clock.now()).total_seconds()
    return clock.seconds


async def test_only_recordings_older_than_the_limit_are_deleted(
    registry: Registry, clock: ManualClock, today: float, tmp_path: Path
) -> None:
    deleted: list[str] = []
    retention = Retention(registry, clock, days=30, deleted=deleted.append)
    old = [await registry.create(PARAMETERS, "alice") for _ in range(3)]
    for session in old:
        await session.close()
    await retention.sweep()
    clock.seconds = today + 29.9 * DAY_SECONDS
    await retention.sweep()
    assert len(list(tmp_path.glob("*.wav"))) == 3
    clock.seconds = today + 30.1 * DAY_SECONDS
    await retention.sweep()
    assert not list(tmp_path.glob("*.wav"))
    assert not list(tmp_path.glob("*.json"))
    assert sorted(deleted) == sorted(str(session.session_id) for session in old)


async def test_an_active_session_is_never_deleted_by_retention(
    registry: Registry, clock: ManualClock, today: float, tmp_path: Path
) -> None:
    await registry.create(PARAMETERS, None)
    clock.seconds = today + 400 * DAY_SECONDS
    deleted: list[str] = []
    await Retention(registry, clock, days=1, deleted=deleted.append).sweep()
    assert deleted == []
    assert len(list(tmp_path.glob("*.wav"))) == 1
