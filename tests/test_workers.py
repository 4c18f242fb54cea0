"""P4, any worker: several workers on a volume are one service, whichever a client reaches."""

import asyncio
import contextlib
import functools
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from websockets.exceptions import ConnectionClosed, InvalidMessage

from tests.audio import cut, encode, pcm, speech
from tests.crashes import CrashInjector, assert_recorded, read_files, record_through_crashes
from tests.eventually import eventually
from tests.exposition import Samples, samples
from tests.ports import reserve_ports
from tests.service import Client, Service

COUNT = 3
(METRICS_PORT,) = reserve_ports(1)
MP3 = encode(speech(), "-c:a", "libmp3lame", "-b:a", "128k", "-f", "mp3")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of three workers."""
    service = Service(
        tmp_path_factory.mktemp("recordings"),
        workers=COUNT,
        metrics_address=f"127.0.0.1:{METRICS_PORT}",
        lease_seconds=3600,  # nothing waits for the end of a lease
    ).start()
    yield service
    assert service.stop() == 0
    assert list((service.folder / ".workers").iterdir()) == []


def owner_of(service: Service, session_id: str) -> int:
    """Return the number of the worker that owns an active session."""
    owner = service.folder / ".active" / f"{session_id}.state" / "owner"
    return int(owner.read_text().removeprefix("worker:"))


@contextlib.asynccontextmanager
async def sessions(service: Service, count: int) -> AsyncIterator[list[Client]]:
    """Record ``count`` sessions at the same time; yield their clients."""
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(service.session()) for _ in range(count)]
        for client in clients:
            await client.send(pcm(100))
        yield clients


@contextlib.asynccontextmanager
async def reconnected(service: Service, *session_ids: str) -> AsyncIterator[list[Client]]:
    """Connect again, as often as clients do; yield the clients with their greetings."""
    async with contextlib.AsyncExitStack() as stack:

        async def connect(session_id: str) -> Any:
            with contextlib.suppress(OSError, InvalidMessage, ConnectionClosed):
                client = await stack.enter_async_context(
                    service.session(f"/{session_id}", resume="true")
                )
                if client.greeting["type"] == "session":
                    return client
                assert client.greeting["code"] == "node_unreachable", client.greeting
            return None

        yield [
            await eventually(functools.partial(connect, each), awaiting=f"{each} again")
            for each in session_ids
        ]


async def test_sessions_are_shared_out_and_stay_so_when_all_clients_reconnect(
    service: Service,
) -> None:
    async with sessions(service, 30) as clients:
        ids = [client.session_id for client in clients]
        owners = [owner_of(service, each) for each in ids]
        assert all(8 <= count <= 12 for count in Counter(owners).values())
        for client in clients:
            client.drop()
        async with contextlib.AsyncExitStack() as stack:
            again = [
                await stack.enter_async_context(service.session(f"/{each}", resume="true"))
                for each in ids
            ]
            for client in again:  # at the first try, whichever worker it reached
                assert client.greeting["message"] == "Session resumed"
                assert (await client.send(pcm(100)))["chunk_count"] == 2
            assert [owner_of(service, each) for each in ids] == owners
            for client in again:
                await client.close_session()
    assert [service.pcm(each) for each in ids] == [pcm(100) * 2] * 30


async def test_every_request_is_answered_whichever_worker_it_reaches(service: Service) -> None:
    """Requests on new connections reach all workers: the sessions keep the workers equally busy."""
    async with sessions(service, 6) as clients:
        assert {owner_of(service, each.session_id) for each in clients} == {1, 2, 3}
        assert service.get("/health").json()["active_sessions"] == 6
        listed = service.get("/api/audio/sessions?status=active").json()["sessions"]
        assert {each["session_id"] for each in listed} == {each.session_id for each in clients}
        assert {(each["total_chunks"], each["connections"]) for each in listed} == {(1, 1)}
        for client in clients:
            path = f"/api/audio/sessions/{client.session_id}"
            info = service.get(path).json()
            assert (info["total_chunks"], info["connections"]) == (1, 1)
            assert service.get(f"{path}/audio").content[80:] == pcm(100)
            async with service.connect(f"/{client.session_id}/listen") as listener:
                assert (await listener.receive())["message"] == "Listening to session"
                heard = await listener.socket.recv()
                assert heard[8:] == pcm(100)
        for client in clients[:3]:
            path = f"/api/audio/sessions/{client.session_id}"
            assert service.post(f"{path}/close").json()["session"]["status"] == "completed"
            assert (await client.receive())["message"] == "Session closed"
        for client in clients[3:]:
            assert service.delete(f"/api/audio/sessions/{client.session_id}").ok
            assert service.get(f"/api/audio/sessions/{client.session_id}").status_code == 404
    assert service.get("/health").json()["active_sessions"] == 0


def scraped() -> Samples:
    """Scrape METRICS_ADDRESS on a new connection, which any worker may answer."""
    url = f"http://127.0.0.1:{METRICS_PORT}/metrics"
    return samples(requests.get(url, timeout=30).text)


async def test_metrics_and_status_count_the_sessions_of_all_workers(service: Service) -> None:
    path = "/metrics"
    before = samples(service.get(path).text)
    async with sessions(service, 6) as clients:
        owners = Counter(owner_of(service, each.session_id) for each in clients)
        for found in (samples(service.get(path).text), scraped()):
            live = {each: found[f"sessions_live{{worker={each}}}"] for each in owners}
            assert live == owners
            assert total(found, "chunks_total") - total(before, "chunks_total") == 6
        status = service.get("/api/status").json()
        assert status["active_sessions"] == 6
        assert {each["session_id"] for each in status["sessions"]} == {
            each.session_id for each in clients
        }
        names = [each["name"] for each in status["tasks"]]
        assert sorted(set(names)) == sorted(names)
        for client in clients:
            await client.close_session()


async def test_metrics_address_answers_after_any_worker_was_killed(service: Service) -> None:
    for victim in service.workers():
        victim.kill()
        psutil.wait_procs([victim], timeout=60)
        assert total(scraped(), "build_info") >= COUNT - 1
        await eventually(lambda: len(service.workers()) == COUNT, awaiting="the new worker")
        await eventually(lambda: total(scraped(), "build_info") == COUNT, awaiting="its metrics")


def total(found: Samples, name: str) -> float:
    """Return the sum of all samples of a metric."""
    return sum(value for each, value in found.items() if each.partition("{")[0] == name)


async def test_limits_hold_for_all_workers_together(start_service: Callable[..., Service]) -> None:
    service = start_service(workers=2, max_concurrent_sessions=4, max_new_sessions_per_minute=5)
    url = f"{service.url}/api/audio/sessions"
    made = [requests.post(url, timeout=30).status_code for _ in range(5)]
    assert made == [201, 201, 201, 201, 503]
    listed = service.get("/api/audio/sessions").json()["sessions"]
    assert {owner_of(service, each["session_id"]) for each in listed} == {1, 2}
    assert service.post(f"/api/audio/sessions/{listed[0]['session_id']}/close").ok
    assert requests.post(url, timeout=30).json()["code"] == "rate_limited"


@pytest.mark.parametrize("most", [7, pytest.param(4, marks=[pytest.mark.long, pytest.mark.load])])
async def test_sessions_that_one_connection_creates_are_shared_out(
    service: Service, most: int
) -> None:
    """Equally if the machine does nothing else."""
    with requests.Session() as connection:
        made = [
            connection.post(f"{service.url}/api/audio/sessions", timeout=30).json()["session_id"]
            for _ in range(9)
        ]
    owners = Counter(owner_of(service, each) for each in made)
    for each in made:
        assert service.delete(f"/api/audio/sessions/{each}").ok
    assert len(owners) == COUNT
    assert max(owners.values()) <= most


@pytest.mark.parametrize(
    "within_seconds", [60, pytest.param(2, marks=[pytest.mark.long, pytest.mark.load])]
)
async def test_sessions_of_a_killed_worker_go_on_at_once(
    service: Service, within_seconds: float
) -> None:
    """Within two seconds if the machine does nothing else."""
    async with sessions(service, 6) as clients:
        victim = owner_of(service, clients[0].session_id)
        mine = [each for each in clients if owner_of(service, each.session_id) == victim]
        service.worker(victim).kill()
        async with (
            asyncio.timeout(within_seconds),
            reconnected(service, *(c.session_id for c in mine)) as again,
        ):
            for client in again:
                assert client.greeting["chunk_count"] == 1
                assert (await client.send(pcm(50)))["chunk_count"] == 2
        await eventually(lambda: len(service.workers()) == COUNT, awaiting="the new worker")
        for client in clients:
            service.post(f"/api/audio/sessions/{client.session_id}/close")
    assert all(service.pcm(each.session_id) == pcm(100) + pcm(50) for each in mine)
    await service.live(0)


async def test_nothing_is_lost_if_all_processes_are_killed_and_one_starts(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(workers=COUNT)
    async with sessions(service, 6) as clients:
        service.kill()
    service._settings["WORKERS"] = "1"
    service.start()
    await service.live(6)
    for client in clients:
        assert service.post(f"/api/audio/sessions/{client.session_id}/close").ok
        assert service.pcm(client.session_id) == pcm(100)


@pytest.mark.long
async def test_sighup_replaces_the_workers_and_clients_resume(service: Service) -> None:
    async with sessions(service, 6) as clients:
        before = {each.pid for each in service.workers()}
        psutil.Process(service.pid).send_signal(signal.SIGHUP)

        async def resume(client: Client) -> None:
            assert (await client.closed())[0] == 1012
            async with reconnected(service, client.session_id) as (again,):
                assert again.greeting["chunk_count"] == 1

        await asyncio.gather(*map(resume, clients))
        await eventually(
            lambda: not before & {each.pid for each in service.workers()},
            awaiting="new workers",
        )
        for client in clients:
            assert service.post(f"/api/audio/sessions/{client.session_id}/close").ok


async def test_a_worker_that_hangs_does_not_stop_the_others(service: Service) -> None:
    """That it is killed after a time: tests/api/workers/test_supervisor.py."""
    victim = service.workers()[0]
    victim.suspend()
    try:
        health = service.get("/health").json()
        assert health["status"] == "degraded"
        assert "does not answer" in health["problems"][0]
        for _ in range(6):
            await service.record(pcm(10))
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):  # after a time it is killed
            victim.resume()
    await eventually(lambda: len(service.workers()) == COUNT, awaiting="all workers")
    await eventually(
        lambda: service.get("/health").json()["status"],
        lambda status: status == "ok",
        awaiting="workers that answer",
    )


def test_a_second_service_on_the_folder_does_not_start(service: Service) -> None:
    second = Service(service.folder, workers=2)
    with pytest.raises(RuntimeError, match="one folder has one writer"):
        second.start()
    assert second._process is not None
    assert second._process.poll() == 1


@pytest.mark.long
async def test_workers_stop_in_order_when_their_supervisor_was_killed(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(workers=2)
    workers = service.workers()
    async with service.session() as client:
        await client.send(pcm(100))
        psutil.Process(service.pid).kill()
        assert (await client.closed())[0] == 1012
    _, alive = await asyncio.to_thread(psutil.wait_procs, workers, timeout=20)
    assert alive == []
    service._end(signal.SIGKILL)
    service.start()
    await service.live(1)


async def test_each_log_line_of_a_worker_names_it(service: Service) -> None:
    service.get("/health")
    lines = await eventually(
        lambda: [line for line in service.log if "uvicorn.access" in line],
        awaiting="a line of the access log",
    )
    assert [line for line in lines if " worker=" not in line] == []


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
async def test_six_formats_survive_kills_of_single_workers(
    start_service: Callable[..., Service], seed: int
) -> None:
    service = start_service(workers=COUNT)

    async def crash(service: Service) -> None:
        workers = await eventually(service.workers, awaiting="a worker")
        workers[0].kill()
        await eventually(
            lambda: workers[0] not in service.workers() and len(service.workers()) == COUNT,
            awaiting="the new worker",
        )

    recorders = await record_through_crashes([service], crash, seed=seed, kills=6)
    assert_recorded(recorders, read_files(service.folder))


@pytest.mark.long
@pytest.mark.parametrize("seed", [3, 4])
async def test_six_formats_survive_kills_of_all_workers(
    start_service: Callable[..., Service], seed: int
) -> None:
    service, injector = start_service(workers=COUNT), CrashInjector()
    recorders = await record_through_crashes([service], injector.crash, seed=seed, kills=4)
    assert_recorded(recorders, read_files(service.folder))
    assert await injector.surviving_children() == []


async def test_a_compressed_stream_continues_on_another_worker(service: Service) -> None:
    chunks = list(cut(MP3, 3000))
    async with service.session(sample_rate=22050) as client:
        for chunk in chunks[:10]:
            await client.send(chunk)
        service.worker(owner_of(service, client.session_id)).kill()
        await client.closed()
    async with reconnected(service, client.session_id) as (again,):
        for chunk in chunks[again.greeting["chunk_count"] :]:
            await again.send(chunk)
        final = await again.close_session()
    assert final["chunk_count"] == len(chunks)
    assert "warnings" not in final


@pytest.mark.long
@pytest.mark.parametrize(
    "module", ["test_crash.py", "test_document.py", "api/routes/test_record.py"]
)
def test_what_one_process_promises_is_true_of_three_workers(module: str) -> None:
    """Run other tests once more, with services of three workers."""
    tests = Path(__file__).parent / module
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not long", "-p", "no:cacheprovider"]
    environ = {**os.environ, "WORKERS": str(COUNT)}
    run = subprocess.run(
        [*command, str(tests)],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert run.returncode == 0, run.stdout


async def test_a_shared_link_is_opened_and_revoked_by_every_worker(service: Service) -> None:
    session_id = await service.record(pcm(100))
    links = f"/api/audio/sessions/{session_id}/links"
    made = service.post(links).json()
    path = made["url"].removeprefix(service.url)
    visits = 8 * COUNT  # each on a connection of its own, which any worker accepts
    assert {service.get(f"{path}/audio").content[80:] for _ in range(visits)} == {pcm(100)}
    assert service.delete(f"{links}/{made['link_id']}").status_code == 200
    assert {service.get(path).status_code for _ in range(visits)} == {404}
