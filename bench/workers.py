"""CPU per chunk with two workers compared with one, and how the workers share the work.

Both services get the same chunks at the same time, so that other load on the machine affects both
alike. Then every client reconnects, most of them to another worker than before, and all is measured
again.
"""

import asyncio
import itertools
import statistics
import tempfile
from collections.abc import Sequence
from typing import NamedTuple

import psutil
import requests
import uvloop

from bench import hot_path_load, ratios
from bench.hot_path_load import Connection, Load
from bench.load_client import binary_frame
from bench.server_process import cpu_nanoseconds, run_service

_ROUNDS = 20
_WORKERS = 2


class Service(NamedTuple):
    """A measured service. Its processes: the workers, or the one that serves."""

    port: int
    supervisor: psutil.Process
    processes: list[psutil.Process]
    connections: list[Connection]

    def cpu(self) -> list[int]:
        """Return the nanoseconds of each process, last those of the supervisor."""
        return [cpu_nanoseconds(each.pid) for each in (*self.processes, self.supervisor)]

    def chunks(self) -> int:
        """Return the number of chunks sent so far."""
        return sum(each.sent for each in self.connections)

    async def reconnect(self, load: Load) -> None:
        """Drop every connection, then connect again to each session, one after another."""
        url = f"http://127.0.0.1:{self.port}/api/audio/sessions?limit=1000&status=active"
        listed = (await asyncio.to_thread(requests.get, url, timeout=30)).json()["sessions"]
        for connection in self.connections:
            connection.close()
        self.connections.clear()
        for session in listed:
            path = f"/api/ws/audio/{session['session_id']}"
            one = load._replace(connections=1, query="?resume=true")
            self.connections.extend(await hot_path_load.connect(one, self.port, path, greetings=1))


def main(sessions: int = 50, rounds: int = _ROUNDS) -> None:
    """Measure ``sessions`` of 1,920 B each 20 ms."""
    name = f"{sessions} sessions, 1,920 B each 20 ms"
    frames = [binary_frame((bytes(range(256)) * 16)[:1920])]
    uvloop.run(_main(Load(name, sessions, "?sample_rate=48000", frames, 0.02), rounds))


async def _main(load: Load, rounds: int) -> None:
    print(f"{'load':34}{'clients':>13}{'one, µs':>9}{'two, µs':>9}{'ratio':>7}  share")
    with tempfile.TemporaryDirectory(dir=".") as one, tempfile.TemporaryDirectory(dir=".") as two:
        environs = [
            {
                "AUDIO_STORAGE_PATH": folder,
                "WORKERS": str(workers),
                "MAX_CONCURRENT_SESSIONS": "999",
            }
            for folder, workers in ((one, 1), (two, _WORKERS))
        ]
        with run_service(environs[0]) as alone, run_service(environs[1]) as shared:
            services = [await _connect(load, *each) for each in (alone, shared)]
            await _measure(load, services, rounds, "first")
            for service in services:
                await service.reconnect(load)
            await _measure(load, services, rounds, "reconnected")
            for service in services:
                for connection in service.connections:
                    connection.close()


async def _connect(load: Load, port: int, process: psutil.Process) -> Service:
    connections = await hot_path_load.connect(load, port, "/api/ws/audio", greetings=1)
    workers = [each for each in process.children() if "api.cli.worker" in each.cmdline()]
    if not workers:
        workers = [process]
    return Service(port, process, workers, connections)


async def _measure(load: Load, services: Sequence[Service], rounds: int, clients: str) -> None:
    samples = await hot_path_load.sample(
        load,
        [service.connections for service in services],
        rounds,
        lambda: [(service.cpu(), service.chunks()) for service in services],
    )
    us: list[list[float]] = [[], []]
    for before, after in itertools.pairwise(samples):
        for number, service in enumerate(services):
            processes = len(set(service.processes) | {service.supervisor})
            (cpu_before, chunks_before), (cpu, chunks) = before[number], after[number]
            total = sum(cpu[:processes]) - sum(cpu_before[:processes])
            us[number].append(total / 1000 / (chunks - chunks_before))
    begin, end = samples[0][1][0], samples[-1][1][0]
    ratio = statistics.median(two / one for one, two in zip(*us, strict=True))
    by_worker = [last - first for first, last in zip(begin[:-1], end[:-1], strict=True)]
    share = ":".join(f"{100 * each / sum(by_worker):.0f}" for each in by_worker)
    one_us, two_us = map(statistics.median, us)
    print(f"{load.name:34}{clients:>13}{one_us:9.1f}{two_us:9.1f}{ratio:7.2f}  {share}", flush=True)
    ratios.note(f"two workers to one: {load.name}, {clients}", ratio)
