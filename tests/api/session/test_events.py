"""Sessions announce events to one component, each before storage shows it."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from api.session.events import NoEvents, SessionEvents
from api.session.found import Live
from api.session.registry import Registry
from api.wire.messages import SessionInfo
from storage.errors import StorageUnavailableError
from storage.local import LocalStorage
from tests.api.conftest import PARAMETERS, ConnectionProbe, new_registry
from tests.audio import pcm
from tests.conftest import ManualClock
from tests.storage.conftest import new_manifest


class EventsProbe:
    """Notes each event, and the status that the manifest has before and after it."""

    def __init__(self, folder: Path) -> None:
        self.told: list[tuple[str, str, str]] = []
        self.noted: list[str] = []
        self.deleted: dict[str, SessionInfo | None] = {}
        self.is_refusing = False
        self._folder = folder

    def creating(self, session_id: str) -> AbstractAsyncContextManager[None]:
        return self._note("created", session_id)

    def completing(self, session_id: str) -> AbstractAsyncContextManager[None]:
        return self._note("completed", session_id)

    @contextlib.asynccontextmanager
    async def deleting(self, sessions: Mapping[str, SessionInfo | None]) -> AsyncIterator[None]:
        self.deleted.update(sessions)
        async with contextlib.AsyncExitStack() as stack:
            for session_id in sessions:
                await stack.enter_async_context(self._note("deleted", session_id))
            yield

    def warned(self, session_id: str, code: str) -> None:
        del session_id
        self.noted.append(code)

    def taken_over(self, session_id: str) -> None:
        del session_id
        self.noted.append("taken over")

    @contextlib.asynccontextmanager
    async def _note(self, event: str, session_id: str) -> AsyncIterator[None]:
        if self.is_refusing:
            raise StorageUnavailableError("the outbox takes nothing")
        before = self._status(session_id)
        yield
        self.told.append((event, before, self._status(session_id)))

    def _status(self, session_id: str) -> str:
        manifest = self._folder / f"{session_id}.json"
        if not manifest.exists():
            return "missing"
        return "completed" if b'"completed"' in manifest.read_bytes() else "active"


@pytest.fixture
def probe(tmp_path: Path) -> EventsProbe:
    return EventsProbe(tmp_path)


@pytest.fixture
async def registry(
    storage: LocalStorage, clock: ManualClock, probe: EventsProbe
) -> AsyncIterator[Registry]:
    registry = new_registry(storage, clock, events=probe)
    yield registry
    await registry.shutdown()


async def test_an_event_is_announced_before_storage_shows_it_and_ends_after(
    registry: Registry, probe: EventsProbe
) -> None:
    session = await registry.create(PARAMETERS, None)
    await session.close()
    found = await registry.lookup(str(session.session_id))
    await registry.deletions.delete(found)
    assert probe.told == [
        ("created", "missing", "active"),
        ("completed", "active", "completed"),
        ("deleted", "completed", "missing"),
    ]
    (info,) = probe.deleted.values()
    assert info is not None
    assert info.status == "completed"


async def test_a_session_that_is_deleted_while_it_records_is_told_with_its_counts(
    registry: Registry, probe: EventsProbe
) -> None:
    session, connection = await registry.create(PARAMETERS, None), ConnectionProbe()
    await session.attach(connection)
    await session.receive(connection, pcm(100))
    await registry.deletions.delete(Live(session))
    assert [each[0] for each in probe.told] == ["created", "deleted"]
    (info,) = probe.deleted.values()
    assert info is not None
    assert info.total_chunks == 1


async def test_a_damaged_session_is_told_with_its_id_only(
    registry: Registry, probe: EventsProbe, tmp_path: Path
) -> None:
    session = await registry.create(PARAMETERS, None)
    await session.release()
    (tmp_path / f"{session.session_id}.json").write_bytes(b"{")
    await registry.deletions.delete_damaged(str(session.session_id))
    assert probe.deleted == {str(session.session_id): None}


async def test_nothing_happens_that_cannot_be_announced(
    registry: Registry, probe: EventsProbe, tmp_path: Path
) -> None:
    session = await registry.create(PARAMETERS, None)
    probe.is_refusing = True
    with pytest.raises(StorageUnavailableError):
        await registry.create(PARAMETERS, None)
    with pytest.raises(StorageUnavailableError):
        await session.close()
    found = await registry.lookup(str(session.session_id))
    with pytest.raises(StorageUnavailableError):
        await registry.deletions.delete(found)
    assert [path.stem for path in tmp_path.glob("*.json")] == [str(session.session_id)]
    assert found.manifest.status == "active"


async def test_the_first_warning_of_each_code_is_announced_and_again_after_a_takeover(
    registry: Registry, probe: EventsProbe
) -> None:
    session = await registry.create(PARAMETERS, None)
    for text in ("one", "two"):
        await session.warn("decode_failed", text)
    await session.warn("no_audio", "three")
    assert probe.noted == ["decode_failed", "no_audio"]
    await session.release()
    await registry.open(await registry.lookup(str(session.session_id)))
    assert probe.noted[2] == "taken over"
    assert sorted(probe.noted[3:]) == ["decode_failed", "no_audio"]


async def test_without_webhooks_an_event_has_no_effect(storage: LocalStorage) -> None:
    events: SessionEvents = NoEvents()
    events.warned("id", "code")
    events.taken_over("id")
    async with events.creating("id"), events.completing("id"), events.deleting({"id": None}):
        (await storage.create(new_manifest())).abandon()
    assert await storage.outbox.nodes() == []
