"""A session whose audio is not persisted in time is announced once."""

from pathlib import Path

import pytest

from api.clock import SystemClock
from api.events.bodies import Bodies
from api.events.delays import PersistenceDelays
from api.events.delivery import Delivery
from api.events.endpoint import read_endpoints
from api.events.queue import OutboxQueue
from api.events.receiver import Receiver
from api.events.sender import HttpSender
from api.observe.tracing import Tracing
from api.session.registry import Registry
from storage.local import LocalStorage
from storage.manifest import Manifest
from tests.api.conftest import PARAMETERS, ConnectionProbe
from tests.audio import pcm
from tests.webhook_receiver import SECRET, WebhookReceiver


async def no_link(manifest: Manifest) -> None:
    del manifest


@pytest.fixture
async def delays(
    storage: LocalStorage, registry: Registry, receiver: WebhookReceiver, sender: HttpSender
) -> PersistenceDelays:
    clock = SystemClock()
    (endpoint,) = read_endpoints(receiver.url, SECRET, "")
    delivery = Delivery(
        storage.outbox,
        OutboxQueue(storage.outbox, clock, page_size=10, adopt_seconds=10),
        Bodies(storage, clock, no_link),
        [Receiver(endpoint, sender, clock, Tracing(), timeout_seconds=10, pause_seconds=0)],
        clock,
    )
    return PersistenceDelays(registry, clock, delivery, delay_seconds=0.0)


async def test_a_session_that_falls_behind_is_announced_once_for_each_time(
    registry: Registry, delays: PersistenceDelays, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    session, in_time = [await registry.create(PARAMETERS, None) for _ in range(2)]
    connection = ConnectionProbe()
    await session.attach(connection)
    await session.flush()  # the timeline has the connection
    await delays.check()
    assert receiver.requests == []
    for _ in range(2):
        await session.receive(connection, pcm(100))
        await delays.check()
        await delays.check()
        await session.flush()
        await delays.check()
    assert receiver.types() == ["session.persistence_delayed"] * 2
    assert {each.session_id for each in receiver.requests} == {str(session.session_id)}
    assert len({each.id for each in receiver.requests}) == 2
    assert receiver.requests[0].body["data"]["session"]["unpersisted_bytes"] == 200
    assert not (tmp_path / ".outbox").exists()
    assert in_time.session_id != session.session_id
