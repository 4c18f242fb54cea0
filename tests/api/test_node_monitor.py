"""The gauges show the state at the time of the scrape, also if parts of it cannot be read."""

from pathlib import Path

from api.node_monitor import NodeMonitor
from api.observe.metrics import Metrics
from api.session.registry import Registry
from storage.local import LocalStorage
from storage.supervisor import Supervisor
from tests.api.conftest import PARAMETERS, ConnectionProbe
from tests.audio import pcm
from tests.eventually import eventually
from tests.exposition import samples


async def test_the_gauges_follow_the_registry_and_the_tasks(
    registry: Registry, storage: LocalStorage, tmp_path: Path
) -> None:
    async def fail() -> None:
        raise RuntimeError("a defect")

    supervisor = Supervisor()
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
    task.cancel()
    assert (before["sessions_live"], after["sessions_live"]) == (0, 1)
    assert (before["unpersisted_bytes"], after["unpersisted_bytes"]) == (0, 200)
    assert after["unpersisted_seconds"] > 0
    assert after["background_task_up{task=a task}"] == 0
    assert after["sessions_limit"] == 10


async def test_a_folder_that_cannot_be_read_has_no_free_space(
    registry: Registry, storage: LocalStorage, tmp_path: Path
) -> None:
    monitor = NodeMonitor(
        registry, storage, Supervisor(), Metrics(), folder=tmp_path / "gone", backend="local"
    )
    assert samples((await monitor.exposition()).decode())["spool_free_bytes"] == 0
