"""P4, any node: clients may use any node, and a recording survives the death of a node."""

import asyncio
import functools
import operator
import os
import shutil
import signal
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from storage.s3.keys import NODES
from tests.audio import cut, dat, decode, encode, pcm, speech
from tests.crashes import CrashInjector, assert_recorded, record_through_crashes
from tests.eventually import eventually
from tests.exposition import Samples, samples
from tests.service import Client, Service

WEBM = encode(speech(), "-c:a", "libopus", "-f", "webm", "-live", "1", "-cluster_time_limit", "100")
LEASE_SECONDS = 5.0  # a living node renews it in time on a busy machine, too
_CHUNK_SECONDS = 0.02  # the pace of a live recorder
_RECONNECT_SECONDS = 0.1

Start = Callable[..., Service]
Objects = Callable[[], dict[str, bytes]]


async def send_missing(client: Client, pieces: list[bytes]) -> None:
    """Send the ``pieces`` that the server does not have yet."""
    for piece in pieces[client.greeting["chunk_count"] :]:
        assert (await client.send(piece))["type"] == "chunk"


async def reach(counts: list[int], wanted: list[int]) -> None:
    """Return when each count is at least the wanted one."""
    await eventually(
        lambda: counts,
        lambda found: all(map(operator.ge, found, wanted)),
        awaiting=f"at least {wanted} acknowledged chunks",
    )


def scraped(node: Service) -> Samples:
    return samples(node.get("/metrics").text)


def audio_of(objects: dict[str, bytes], session_id: str) -> bytes:
    return objects[f"{session_id}.wav"][80:]


async def test_any_node_relays_a_connection_to_the_owner_of_the_session(
    on_bucket: Start, objects: Objects
) -> None:
    owner, other = on_bucket(), on_bucket()
    pieces = list(cut(WEBM, 1000))
    async with owner.session(sample_rate=48000) as client:
        session_id = client.session_id
        await send_missing(client, pieces[:20])
    async with other.session(f"/{session_id}", resume="true") as client:
        assert client.greeting["message"] == "Session resumed"
        assert client.greeting["chunk_count"] == 20
        await send_missing(client, pieces)
        assert (await client.control("flush"))["persisted_chunk_count"] == len(pieces)
        await client.close_session()
    assert (owner.stop(), other.stop()) == (0, 0)
    assert audio_of(objects(), session_id) == decode(WEBM, sample_rate=48000)
    assert set(objects()) == {
        f"{session_id}.{kind}" for kind in ("wav", "json", "dat", "sums", "times")
    }


async def test_any_node_relays_http_requests_to_the_owner(on_bucket: Start) -> None:
    owner, other = on_bucket(segment_seconds=3600), on_bucket()
    async with owner.session() as client, owner.session() as second:
        await send_missing(client, list(cut(pcm(4000), 1000)))
        path = f"/api/audio/sessions/{client.session_id}"
        # No chunk is persisted, so only the owner knows the count.
        assert other.get(path).json()["total_chunks"] == 8
        listed = {s["session_id"]: s for s in other.get("/api/audio/sessions").json()["sessions"]}
        assert listed[client.session_id]["status"] == "active"
        ranged = other.get(f"{path}/audio", headers={"Range": "bytes=80-179"})
        assert (ranged.status_code, ranged.content) == (206, pcm(50))
        assert ranged.headers["Content-Range"] == "bytes 80-179/8080"
        drawn = other.get(f"{path}/waveform?format=dat")
        assert drawn.content == dat(pcm(4000), sample_rate=44100)
        assert other.get(f"{path}/close").status_code == 405
        deleted = other.delete(f"/api/audio/sessions/{second.session_id}")
        assert deleted.json()["success"] is True
        closed = other.post(f"{path}/close").json()
        assert closed["session"]["total_chunks"] == 8
        assert (await client.receive())["message"] == "Session closed"
    assert other.get(path).json()["status"] == "completed"
    assert owner.get(f"/api/audio/sessions/{second.session_id}").status_code == 404


async def test_reading_does_not_take_over_the_session_of_a_dead_or_paused_owner(
    on_bucket: Start,
) -> None:
    owner, other = on_bucket(segment_seconds=3600), on_bucket(segment_seconds=3600)
    async with owner.session() as client:
        await send_missing(client, list(cut(pcm(4000), 1000)))
        await client.control("flush")
        await client.send(pcm(100))  # not persisted
        path = f"/api/audio/sessions/{client.session_id}"
        for outage in (functools.partial(os.kill, owner.pid, signal.SIGSTOP), owner.kill):
            outage()
            info = other.get(path).json()
            assert (info["status"], info["total_chunks"]) == ("active", 8)
            assert other.get(f"{path}/audio").content[80:] == pcm(4000)
            drawn = other.get(f"{path}/waveform?format=dat")
            assert drawn.content == dat(pcm(4000), sample_rate=44100)
            async with other.connect(f"/{client.session_id}/listen") as listener:
                assert (await listener.receive())["duration_seconds"] == 4000 / 44100
                frames = await listener.socket.recv()
                assert frames == bytes(8) + pcm(4000)
                assert (await listener.receive())["code"] == "session_moved"
        refused = other.post(f"{path}/close")
        assert (refused.status_code, refused.json()["code"]) == (503, "node_unreachable")
        assert other.get("/health").json()["active_sessions"] == 0


async def test_errors_of_the_owner_reach_clients_of_other_nodes(
    on_bucket: Start,
) -> None:
    owner, other = on_bucket(max_connections_per_session=1), on_bucket()
    async with owner.session() as client:
        async with other.connect(f"/{client.session_id}") as refused:
            assert (await refused.receive())["code"] == "too_many_connections"
            assert (await refused.closed())[0] == 1013
        async with other.session(f"/{client.session_id}", resume="true") as successor:
            assert (await client.closed())[0] == 4103
            assert owner.stop() == 0
            assert (await successor.closed())[0] == 1012


async def test_another_node_takes_over_after_the_lease_of_a_dead_node(
    on_bucket: Start, objects: Objects
) -> None:
    first = on_bucket(segment_seconds=0.1, lease_seconds=LEASE_SECONDS)
    second = on_bucket(segment_seconds=0.1, lease_seconds=LEASE_SECONDS)
    sources: dict[str, tuple[list[bytes], bytes, dict[str, Any]]] = {
        "pcm": (list(cut(pcm(60_000), 1777)), pcm(60_000), {"sample_rate": 22050}),
        "webm": (list(cut(WEBM, 500)), decode(WEBM, sample_rate=48000), {"sample_rate": 48000}),
    }
    ids, persisted = {}, {}
    for name, (pieces, _, query) in sources.items():
        async with first.session(**query) as client:
            ids[name] = client.session_id
            await send_missing(client, pieces[: len(pieces) // 2])
            await client.control("flush")
            persisted[name] = len(pieces) // 2
            for piece in pieces[persisted[name] :][:3]:
                await client.send(piece)
    first.kill()
    shutil.rmtree(first.folder)
    await second.live(len(ids))
    await eventually(
        lambda: scraped(second)["takeovers_total{reason=dead_node}"],
        lambda count: count == len(ids),
        awaiting="the count of the takeovers",
    )
    for name, (pieces, _, _) in sources.items():
        async with second.session(f"/{ids[name]}", resume="true") as client:
            assert client.greeting["chunk_count"] >= persisted[name]
            await send_missing(client, pieces)
            await client.close_session()
    await eventually(
        lambda: sum(key.startswith(NODES) for key in objects()),
        lambda count: count == 1,
        awaiting="the removal of the dead node",
    )
    assert second.stop() == 0
    for name, (_, expected, _) in sources.items():
        assert audio_of(objects(), ids[name]) == expected
    assert set(objects()) == {
        f"{each}.{kind}"
        for each in ids.values()
        for kind in ("wav", "json", "dat", "sums", "times")
    }


@pytest.mark.parametrize(
    "completed", [False, pytest.param(True, marks=pytest.mark.long)], ids=["active", "completed"]
)
async def test_a_paused_node_writes_nothing_after_a_takeover(
    on_bucket: Start, objects: Objects, *, completed: bool
) -> None:
    slow = on_bucket(segment_seconds=0.3, lease_seconds=LEASE_SECONDS)
    second = on_bucket(segment_seconds=0.3, lease_seconds=LEASE_SECONDS)
    pieces = list(cut(pcm(60_000), 1777))
    async with slow.session(sample_rate=22050) as client:
        session_id = client.session_id
        await send_missing(client, pieces[:20])
        await client.control("flush")
        await client.send(pieces[20])
        os.kill(slow.pid, signal.SIGSTOP)
        try:
            await client.socket.send(b"\1\2" * 1000)  # in the socket buffer until the node resumes
            await second.live(1)
            async with second.session(f"/{session_id}", resume="true") as successor:
                assert successor.greeting["chunk_count"] in {20, 21}
                await send_missing(successor, pieces[:40])
                await successor.control("flush")
                if completed:
                    await successor.close_session()
        finally:
            os.kill(slow.pid, signal.SIGCONT)
        assert (await client.closed())[0] == 1012
    fenced = ("fenced_total", "sessions_ended_total{reason=fenced}")
    await eventually(
        lambda: scraped(slow),
        lambda found: [found[name] for name in fenced] == [1, 1],
        awaiting="the count of a session that another node took",
    )
    if not completed:
        async with slow.session(f"/{session_id}", resume="true") as back:
            assert back.greeting["chunk_count"] == 40
            await send_missing(back, pieces)
            await back.close_session()
    assert (slow.stop(), second.stop()) == (0, 0)
    count = 40 if completed else len(pieces)
    assert audio_of(objects(), session_id) == b"".join(pieces[:count])
    assert set(objects()) == {
        f"{session_id}.{kind}" for kind in ("wav", "json", "dat", "sums", "times")
    }


@pytest.mark.long
async def test_a_stale_spool_does_not_overwrite_the_audio_of_another_node(
    on_bucket: Start, objects: Objects
) -> None:
    first = on_bucket(segment_seconds=3600, lease_seconds=LEASE_SECONDS)
    second = on_bucket(segment_seconds=0.1, lease_seconds=LEASE_SECONDS)
    pieces, others = list(cut(pcm(60_000), 1777)), list(cut(pcm(60_000, seed=5), 1777))
    async with first.session(sample_rate=22050) as client:
        session_id = client.session_id
        await send_missing(client, pieces[:10])
        await client.control("flush")
        for piece in others[10:30]:  # only in the spool
            await client.send(piece)
    first.kill()
    await second.live(1)
    async with second.session(f"/{session_id}", resume="true") as client:
        assert client.greeting["chunk_count"] == 10
        await send_missing(client, pieces[:20])
        await client.control("flush")
    second.kill()
    first.start()
    await first.live(1)
    async with first.session(f"/{session_id}", resume="true") as client:
        assert client.greeting["chunk_count"] == 20
        await send_missing(client, pieces)
        await client.close_session()
    assert first.stop() == 0
    assert audio_of(objects(), session_id) == pcm(60_000)


@pytest.mark.long
async def test_a_rolling_restart_under_load_loses_no_audio(
    on_bucket: Start, objects: Objects
) -> None:
    nodes = [on_bucket(segment_seconds=0.3, lease_seconds=LEASE_SECONDS) for _ in range(3)]
    restarted = asyncio.Event()
    pieces = list(cut(pcm(400_000), 1778))
    acked = [0] * 6

    async def record(number: int) -> tuple[str, int]:
        """Send to any node that answers until all nodes were restarted; return id and count."""
        path, sent, node = "", 0, number
        query: dict[str, Any] = {"sample_rate": 48000}
        while True:
            node += 1
            try:
                async with nodes[node % 3].session(path, **query) as client:
                    assert client.greeting["type"] == "session"  # an error if the node is stopping
                    path, query = f"/{client.session_id}", {"resume": "true"}
                    sent = client.greeting["chunk_count"]
                    while not restarted.is_set() and sent < len(pieces):
                        assert (await client.send(pieces[sent]))["type"] == "chunk"
                        sent += 1
                        acked[number] = sent
                        await asyncio.sleep(_CHUNK_SECONDS)
                    await client.close_session()
                    return client.session_id, sent
            except (ConnectionClosed, OSError, AssertionError):
                await asyncio.sleep(_RECONNECT_SECONDS)

    recording = [asyncio.create_task(record(number)) for number in range(len(acked))]
    for node in nodes:
        wanted = [min(count + 10, len(pieces)) for count in acked]
        await reach(acked, wanted)
        assert await asyncio.to_thread(node.stop) == 0
        await asyncio.to_thread(node.start)
    restarted.set()
    async with asyncio.timeout(60):
        ended = await asyncio.gather(*recording)
    for node in nodes:
        assert node.stop() == 0
    for session_id, count in ended:
        assert audio_of(objects(), session_id) == b"".join(pieces[:count])


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
async def test_six_sessions_survive_crashes_of_two_nodes(
    on_bucket: Start, objects: Objects, seed: int
) -> None:
    nodes = [on_bucket(segment_seconds=0.2, lease_seconds=1) for _ in range(2)]
    injector = CrashInjector()
    recorders = await record_through_crashes(
        nodes, injector.crash, seed=seed, kills=5, durable_count="persisted_chunk_count"
    )
    assert injector.crash_count == 5
    assert [node.stop() for node in nodes] == [0, 0]
    assert_recorded(recorders, objects())
    assert await injector.surviving_children() == []
