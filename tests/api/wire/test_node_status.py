"""GET /api/status tells the state of the node as JSON."""

from collections.abc import Mapping
from typing import Any

from api.wire.node_status import BackgroundTask, NodeStatus, StoreOperation, merged
from tests.audio import pcm
from tests.service import Service


async def test_the_state_of_a_node_names_its_sessions_and_tasks(service: Service) -> None:
    async with service.session(user_id="alice") as client:
        await client.send(pcm(10))
        status = service.get("/api/status").json()
    assert set(status) == {
        "version", "node", "storage", "is_draining", "problems", "active_sessions", "max_sessions",
        "unpersisted_bytes", "unpersisted_seconds", "free_bytes", "lease_age_seconds", "tasks",
        "store", "sessions",
    }  # fmt: skip
    (session,) = status["sessions"]
    assert (session["session_id"], session["user_id"]) == (client.session_id, "alice")
    assert {"name": "expiry", "is_up": True, "failures": 0} in status["tasks"]
    assert (status["storage"], status["store"], status["problems"]) == ("local", [], [])


def worker(**fields: Any) -> NodeStatus:
    usual: Mapping[str, Any] = {
        "version": "1", "node": "a", "storage": "s3", "is_draining": False, "problems": [],
        "active_sessions": 1, "max_sessions": 9, "unpersisted_bytes": 2, "unpersisted_seconds": 3.0,
        "free_bytes": 4, "lease_age_seconds": 1.0, "tasks": [], "store": [], "sessions": [],
    }  # fmt: skip
    return NodeStatus(**{**usual, **fields})


def test_the_state_of_workers_is_summed_or_the_worst_one_counts() -> None:
    def task(*, is_up: bool, failures: int) -> BackgroundTask:
        return BackgroundTask(name="expiry", is_up=is_up, failures=failures)

    def puts(requests: int, mean_seconds: float) -> StoreOperation:
        return StoreOperation(name="PUT", requests=requests, mean_seconds=mean_seconds, errors=1)

    found = merged([
        worker(tasks=[task(is_up=True, failures=0)], store=[puts(3, 1.0)], problems=["x"]),
        worker(
            tasks=[task(is_up=False, failures=2)],
            store=[puts(1, 5.0)],
            problems=["x", "y"],
            unpersisted_seconds=7.0,
            is_draining=True,
        ),
    ])  # fmt: skip
    assert (found.active_sessions, found.max_sessions, found.unpersisted_bytes) == (2, 9, 4)
    assert (found.unpersisted_seconds, found.is_draining) == (7.0, True)
    assert found.problems == ["x", "y"]
    assert found.tasks == [task(is_up=False, failures=2)]
    (operation,) = found.store
    assert (operation.requests, operation.mean_seconds, operation.errors) == (4, 2.0, 2)
