"""The gauges show the state at the time of the scrape, also if parts of it cannot be read."""

import asyncio
from pathlib import Path

from api.clock import SystemClock
from api.events.endpoint import read_endpoints
from api.events.sender import HttpSender
from api.events.webhooks import Webhooks, links
from api.node_monitor import NodeMonitor
from api.observe.metrics import Metrics
from api.observe.storage_observer import StorageObserver
from api.observe.tracing import Tracing
from api.session.registry import Registry
from storage.local import LocalStorage
from storage.retry import Backoff
from storage.supervisor import Supervisor
from tests.api.conftest import PARAMETERS, ConnectionProbe, new_registry
from tests.audio import pcm
from tests.conftest import ManualClock
from tests.eventually import eventually
from tests.exposition import samples
from tests.webhook_receiver import SECRET


async def test_the_gauges_follow_the_registry_and_the_tasks(
    registry: Registry, storage: LocalStorage, tmp_path: Path
) -> None:
    async def fail() -> None:
        raise RuntimeError("a defect")

    supervisor = Supervisor(backoff=Backoff(first_seconds=3600, max_seconds=3600))
    monitor = NodeMonitor(
        registry, storage, supervisor, Metrics(), folder=tmp_path, backend="local"
    )
    before = samples((await monitor.exposition()).decode())
    session, connection = await registry.create(PARAMETERS, None), ConnectionProbe()
    await session.attach(connection)
    await session.receive(connection, pcm(100))
    task = supervisor.start("a task", fail)
    await eventually(lambda: supervisor.failures["a task"], awaiting="the failure")
    after = samples((await monitor.exposition()).decode())
    status = await monitor.status()
    task.cancel()
    assert (before["sessions_live"], after["sessions_live"]) == (0, 1)
    assert (before["unpersisted_bytes"], after["unpersisted_bytes"]) == (0, 200)
    assert after["unpersisted_seconds"] > 0
    assert after["background_task_up{task=a task}"] == 0
    assert after["sessions_limit"] == 10
    assert [(task.name, task.is_up, task.failures) for task in status.tasks] == [
        ("a task", False, 1)
    ]
    assert status.problems == ["background task a task failed, see the log"]
    assert [info.unpersisted_bytes for info in status.sessions] == [200]
    assert (status.active_sessions, status.unpersisted_bytes) == (1, 200)


async def test_of_many_sessions_the_hundred_are_shown_whose_audio_waits_longest(
    storage: LocalStorage, clock: ManualClock, tmp_path: Path
) -> None:
    registry = new_registry(storage, clock, max_sessions=110)
    for _ in range(110):
        await registry.create(PARAMETERS, None)
    waiting = list(registry.live)[5]
    connection = ConnectionProbe()
    await waiting.attach(connection)
    await waiting.receive(connection, pcm(100))
    monitor = NodeMonitor(
        registry, storage, Supervisor(), Metrics(), folder=tmp_path, backend="local"
    )
    shown = (await monitor.status()).sessions
    assert len(shown) == 100
    assert shown[0].session_id == str(waiting.session_id)
    await registry.shutdown()


async def test_requests_to_the_store_are_shown_by_operation(
    registry: Registry, storage: LocalStorage, tmp_path: Path
) -> None:
    metrics = Metrics()
    observer = StorageObserver(metrics, Tracing())
    observer.requested("PutObject", 1.0)
    observer.requested("PutObject", 3.0)
    observer.failed("PutObject")
    observer.failed("sync")
    monitor = NodeMonitor(registry, storage, Supervisor(), metrics, folder=tmp_path, backend="s3")
    found = {
        each.name: (each.requests, each.mean_seconds, each.errors)
        for each in (await monitor.status()).store
    }
    assert found == {"PutObject": (2, 2.0, 1), "sync": (0, 0.0, 1)}


async def test_a_folder_that_cannot_be_read_has_no_free_space(
    registry: Registry, storage: LocalStorage, tmp_path: Path
) -> None:
    monitor = NodeMonitor(
        registry, storage, Supervisor(), Metrics(), folder=tmp_path / "gone", backend="local"
    )
    assert samples((await monitor.exposition()).decode())["spool_free_bytes"] == 0


async def test_problems_name_a_receiver_of_webhooks_that_fails(
    registry: Registry, storage: LocalStorage, tmp_path: Path
) -> None:
    clock = SystemClock()
    webhooks = Webhooks(
        read_endpoints("http://hooks.example/x?token=hidden", SECRET, ""),
        storage,
        clock,
        HttpSender(),
        links(storage, clock, None, ttl_seconds=60),
    )
    assert webhooks._delivery is not None
    webhooks._delivery._receivers[0].is_disabled = True
    monitor = NodeMonitor(
        registry,
        storage,
        Supervisor(),
        Metrics(),
        folder=tmp_path,
        backend="local",
        webhooks=webhooks,
    )
    assert monitor.problems() == ["webhooks to hooks.example are not delivered, see the log"]


async def test_problems_name_a_background_task_that_failed(
    registry: Registry, storage: LocalStorage, tmp_path: Path
) -> None:
    supervisor, failed = Supervisor(), asyncio.Event()

    async def fail() -> None:
        failed.set()
        raise LookupError("a defect")

    task = supervisor.start("retention", fail)
    await failed.wait()
    monitor = NodeMonitor(
        registry, storage, supervisor, Metrics(), folder=tmp_path, backend="local"
    )
    assert monitor.problems() == ["background task retention failed, see the log"]
    task.cancel()
