"""The owner of a session answers HTTP requests that reached another node."""

import asyncio
from collections.abc import Callable

from api.cluster.hop import HOP_HEADER
from tests.api.cluster.conftest import Nodes
from tests.audio import pcm
from tests.eventually import eventually
from tests.faults import Kind, faulty_store
from tests.s3_requests import is_a
from tests.service import Service

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


async def test_a_node_that_takes_the_session_over_meanwhile_gets_the_change(
    on_bucket: Callable[..., Service], seaweedfs_url: str
) -> None:
    first = on_bucket()
    async with first.session() as client:
        await client.send(pcm(1000))
        assert first.stop() == 0  # no node owns the session
    path = f"{SESSIONS}/{client.session_id}"
    with faulty_store(seaweedfs_url) as store:
        claim = store.fail(Kind.STALLED, is_a("PutObject", path_has="/epochs/"), times=None)
        late = on_bucket(s3_endpoint_url=store.url)
        await asyncio.to_thread(claim.wait)
        before = len(store.requests)
        closing = asyncio.create_task(asyncio.to_thread(late.post, f"{path}/close"))
        await eventually(
            lambda: [each for each in store.requests[before:] if "epochs" in each.query],
            awaiting="a look-up of the owner",
        )
        owner = on_bucket()
        async with owner.session(f"/{client.session_id}") as returned:
            await returned.send(pcm(1000))
            claim.end()
            closed = await closing
        assert late.stop() == 0
    assert closed.status_code == 200, closed.text
    assert closed.json()["session"]["total_chunks"] == 2  # the owner knew of the second chunk


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
