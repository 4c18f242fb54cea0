"""The owner of a session answers HTTP requests that reached another node."""

from api.cluster.hop import HOP_HEADER
from tests.api.cluster.conftest import Nodes
from tests.audio import pcm

SESSIONS = "/api/audio/sessions"


async def test_the_owner_answers_with_what_only_it_knows(nodes: Nodes) -> None:
    owner, other = nodes
    async with owner.session() as client:
        await client.send(pcm(1000))  # not persisted
        path = f"{SESSIONS}/{client.session_id}"
        assert other.get(path).json() | {"unpersisted_seconds": 0} == owner.get(path).json() | {
            "unpersisted_seconds": 0
        }
        ranged = other.get(f"{path}/audio", headers={"Range": "bytes=80-179"})
        assert (ranged.status_code, ranged.content) == (206, pcm(50))
        closed = other.post(f"{path}/close").json()
        assert (closed["session"]["total_chunks"], closed["session"]["status"]) == (1, "completed")


async def test_the_owner_gets_the_body_of_a_change(nodes: Nodes) -> None:
    owner, other = nodes
    async with owner.session() as client:
        await client.send(pcm(1000))
        path = f"{SESSIONS}/{client.session_id}"
        changed = other.patch(path, json={"title": "Zoë"})
        assert (changed.status_code, changed.json()["title"]) == (200, "Zoë")
        marked = other.post(f"{path}/marks", json={"label": "Zoë"})
        assert marked.status_code == 200, marked.text
        assert owner.get(path).json()["title"] == "Zoë"
        (mark,) = owner.get(f"{path}/timeline").json()["marks"]
        assert mark["label"] == "Zoë"


async def test_a_request_is_relayed_once(nodes: Nodes) -> None:
    owner, other = nodes
    async with owner.session() as client:
        await client.send(pcm(1000))  # not persisted
        path = f"{SESSIONS}/{client.session_id}"
        relayed = {HOP_HEADER: "1"}
        # This node would be asked by a node that takes it for the owner.
        assert other.get(path, headers=relayed).json()["total_chunks"] == 0
        refused = other.post(f"{path}/close", headers=relayed)
        assert (refused.status_code, refused.json()["code"]) == (503, "node_unreachable")


async def test_without_the_owner_reading_goes_on_and_changes_are_refused(nodes: Nodes) -> None:
    owner, other = nodes
    async with owner.session() as client:
        await client.send(pcm(1000))
        await client.control("flush")
        await client.send(pcm(1000))  # not persisted
        owner.kill()
    path = f"{SESSIONS}/{client.session_id}"
    info = other.get(path).json()
    assert (info["status"], info["total_chunks"]) == ("active", 1)
    assert other.get(f"{path}/audio").content[80:] == pcm(1000)
    for refused in (other.post(f"{path}/close"), other.delete(path)):
        assert (refused.status_code, refused.json()["code"]) == (503, "node_unreachable")
