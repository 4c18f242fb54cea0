"""Retention deletes old recordings and nothing else, with a manual clock."""

import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from api.maintenance.clock_check import ClockError
from api.maintenance.retention import Retention
from api.session.registry import Registry
from storage.base import AgedPage, AgedSession
from storage.errors import StorageUnavailableError
from storage.local import LocalStorage
from storage.manifest import Manifest
from tests.api.conftest import PARAMETERS, new_registry
from tests.conftest import ManualClock

DAY_SECONDS = 86400


@pytest.fixture
def today(clock: ManualClock) -> float:
    """Set the manual clock to the real time, because session ids hold the real time."""
    clock.seconds = (datetime.now(UTC) - clock.now()).total_seconds()
    return clock.seconds


async def test_only_recordings_older_than_the_limit_are_deleted(
    registry: Registry,
    storage: LocalStorage,
    clock: ManualClock,
    today: float,
    tmp_path: Path,
) -> None:
    deleted: list[str] = []
    retention = Retention(registry, storage, clock, days=30, deleted=deleted.append)
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
    registry: Registry,
    storage: LocalStorage,
    clock: ManualClock,
    today: float,
    tmp_path: Path,
) -> None:
    await registry.create(PARAMETERS, None)
    clock.seconds = today + 400 * DAY_SECONDS
    deleted: list[str] = []
    await Retention(registry, storage, clock, days=1, deleted=deleted.append).sweep()
    assert deleted == []
    assert len(list(tmp_path.glob("*.wav"))) == 1


def write_at(audio: Path, clock: ManualClock) -> None:
    """Give a file the time of ``clock``, as if it was written then."""
    os.utime(audio, (clock.now().timestamp(),) * 2)


async def test_a_recording_whose_file_is_younger_than_its_manifest_says_is_kept(
    registry: Registry, storage: LocalStorage, clock: ManualClock, today: float, tmp_path: Path
) -> None:
    """As of a machine whose clock was wrong until it asked the network."""
    await (await registry.create(PARAMETERS, None)).close()
    (audio,) = tmp_path.glob("*.wav")
    clock.seconds = today + 400 * DAY_SECONDS
    retention = Retention(registry, storage, clock, days=30, deleted=print)
    write_at(audio, clock)
    await retention.sweep()
    assert audio.exists()
    clock.seconds += 31 * DAY_SECONDS
    await retention.sweep()
    assert not audio.exists()


async def test_a_session_that_was_completed_within_the_period_is_kept(
    registry: Registry, storage: LocalStorage, clock: ManualClock, today: float, tmp_path: Path
) -> None:
    session = await registry.create(PARAMETERS, None)
    (audio,) = tmp_path.glob("*.wav")
    clock.seconds = today + 40 * DAY_SECONDS
    await session.close()
    write_at(audio, ManualClock())
    await Retention(registry, storage, clock, days=30, deleted=print).sweep()
    assert audio.exists()


@contextlib.asynccontextmanager
async def running(storage: LocalStorage, clock: ManualClock) -> AsyncIterator[Registry]:
    """Yield a registry of the sessions of ``storage``."""
    await storage.start()
    registry = new_registry(storage, clock)
    yield registry
    await registry.shutdown()
    await storage.stop()


class RemoteStorage(LocalStorage):
    """A store with a clock of its own, which shows the real time."""

    async def sessions_below(self, session_id: UUID) -> AsyncGenerator[AgedPage, None]:
        async for page in super().sessions_below(session_id):
            yield AgedPage(page.sessions, datetime.now(UTC))


async def test_a_sweep_stops_if_the_store_has_another_time(
    clock: ManualClock, today: float, tmp_path: Path
) -> None:
    storage = RemoteStorage(tmp_path)
    async with running(storage, clock) as registry:
        await (await registry.create(PARAMETERS, None)).close()
        clock.seconds = today + 40 * DAY_SECONDS
        retention = Retention(registry, storage, clock, days=30, deleted=print)
        with pytest.raises(ClockError, match="from that of the store"):
            await retention.sweep()
        assert list(tmp_path.glob("*.wav"))


@pytest.mark.parametrize("days", [400, -1])
async def test_a_sweep_stops_if_the_clock_was_set_and_keeps_what_was_recorded_before(
    registry: Registry,
    storage: LocalStorage,
    clock: ManualClock,
    today: float,
    tmp_path: Path,
    days: int,
) -> None:
    retention = Retention(registry, storage, clock, days=30, deleted=print)
    await (await registry.create(PARAMETERS, None)).close()
    (audio,) = tmp_path.glob("*.wav")
    write_at(audio, clock)
    clock.seconds += 3600
    clock.set_by_seconds = days * DAY_SECONDS
    with pytest.raises(ClockError, match="was set by"):
        await retention.sweep()
    await retention.sweep()
    assert audio.exists()
    clock.seconds += 31 * DAY_SECONDS
    await retention.sweep()
    assert not audio.exists()


class Follower(LocalStorage):
    """The storage of a process of which another one deletes expired sessions."""

    is_first = False

    async def is_sweeper(self) -> bool:
        return self.is_first


async def test_a_process_deletes_only_as_long_as_it_is_the_sweeper(
    clock: ManualClock, today: float, tmp_path: Path
) -> None:
    storage = Follower(tmp_path)
    async with running(storage, clock) as registry:
        await (await registry.create(PARAMETERS, None)).close()
        clock.seconds = today + 40 * DAY_SECONDS
        retention = Retention(registry, storage, clock, days=30, deleted=print)
        assert not await retention.sweep()
        assert list(tmp_path.glob("*.wav"))
        storage.is_first = True
        assert await retention.sweep()
        assert not list(tmp_path.glob("*.wav"))


class Undeletable(LocalStorage):
    """A store that cannot delete one session."""

    undeletable: UUID | None = None

    async def delete_completed(
        self, sessions: list[tuple[AgedSession, Manifest]]
    ) -> dict[UUID, Exception]:
        others = [each for each in sessions if each[0].session_id != self.undeletable]
        failed = await super().delete_completed(others)
        if self.undeletable is not None and len(others) < len(sessions):
            failed[self.undeletable] = StorageUnavailableError("busy")
        return failed


async def test_a_session_that_cannot_be_deleted_or_read_is_reported_and_the_others_are_deleted(
    clock: ManualClock, today: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage = Undeletable(tmp_path)
    async with running(storage, clock) as registry:
        ids = []
        for _ in range(4):
            session = await registry.create(PARAMETERS, None)
            await session.close()
            ids.append(session.session_id)
        undeletable, damaged, *others = ids
        storage.undeletable = undeletable
        (tmp_path / f"{damaged}.json").write_bytes(b"{")
        clock.seconds = today + 40 * DAY_SECONDS
        deleted: list[str] = []
        await Retention(registry, storage, clock, days=30, deleted=deleted.append).sweep()
        assert deleted == [str(each) for each in others]
        assert {path.stem for path in tmp_path.glob("*.json")} == {str(undeletable), str(damaged)}
        assert f"{undeletable}: failed to delete the expired session" in caplog.text
        assert f"{damaged}: left alone" in caplog.text
        storage.undeletable = None
        await Retention(registry, storage, clock, days=30, deleted=deleted.append).sweep()
        assert deleted[2:] == [str(undeletable)]


async def test_a_deletion_that_was_interrupted_is_repeated(
    registry: Registry, storage: LocalStorage, clock: ManualClock, today: float, tmp_path: Path
) -> None:
    await (await registry.create(PARAMETERS, None)).close()
    next(tmp_path.glob("*.wav")).unlink()
    clock.seconds = today + 40 * DAY_SECONDS
    await Retention(registry, storage, clock, days=30, deleted=print).sweep()
    assert not list(tmp_path.glob("*.json"))
