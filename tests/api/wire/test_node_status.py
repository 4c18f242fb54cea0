"""GET /api/status tells the state of the node as JSON."""

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
