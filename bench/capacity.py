"""How many live sessions one machine holds, the load generator included.

A number of sessions holds if the 99th percentile of all acknowledgements is below 50 ms and every
recording is exact. The bare sink of `bench.bare_sink` is searched in the same run; it records
nothing that could be checked.
"""

import contextlib
import functools
import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil
import uvloop

from bench import hot_path_load
from bench.hot_path_load import Connection, Load
from bench.live_webm import blobs_of
from bench.load_client import binary_frame
from bench.server_process import run_server, run_service, thread_nanoseconds
from bench.stream_formats import WEBM
from storage.wav import HEADER_BYTES

_SECONDS = 8
_WARM_UP_SECONDS = 2.0
_MAX_P99_SECONDS = 0.05
_GROWTH = 1.4  # from one number of sessions to the next, while they hold
_PRECISION = 0.1  # of the result
_BUSY = 0.9  # of a core: this is what limits
_PCM = bytes(range(256)) * 16


class Case(NamedTuple):
    """A load, the first number of its sessions, and how to check what was recorded."""

    load: Load
    sessions: int
    expected: Callable[[int], bytes]  # the PCM of so many chunks behind the greeting


class Server(NamedTuple):
    """How to run a server in a folder; its connections begin with so many ``greetings``."""

    name: str
    run: Callable[[str], contextlib.AbstractContextManager[tuple[int, psutil.Process]]]
    path: str
    greetings: int


class Trial(NamedTuple):
    """What so many sessions gave. ``kib`` is the memory of the server for each of them."""

    sessions: int
    p99_seconds: float
    inexact: int
    limit: str
    kib: float

    @property
    def holds(self) -> bool:
        return self.p99_seconds < _MAX_P99_SECONDS and not self.inexact

    def __str__(self) -> str:
        verdict = "holds" if self.holds else "does not hold"
        return (
            f"{self.sessions:6} sessions: p99 {self.p99_seconds * 1000:6.1f} ms, inexact"
            f" {self.inexact}, {self.kib:.0f} KiB each, busy: {self.limit}: {verdict}"
        )


def _pcm(size_bytes: int, interval_seconds: float, sessions: int, query: str) -> Case:
    name = f"PCM, {size_bytes:,} B each {interval_seconds * 1000:.0f} ms"
    chunk = _PCM[:size_bytes]
    load = Load(name, sessions, query, [binary_frame(chunk)], interval_seconds)
    return Case(load, sessions, lambda count: chunk * count)


def _webm(seconds: float) -> Case:
    frames = [blob.frame for blob in blobs_of(WEBM.encode(seconds))]
    load = Load("WebM each 250 ms", 100, f"?{WEBM.query}", frames[1:], 0.25, frames[0])

    @functools.cache
    def expected(count: int) -> bytes:
        return WEBM.decode(b"".join(hot_path_load.payload(each) for each in frames[: count + 1]))

    return Case(load, 100, expected)


def main(seconds: int = _SECONDS, *numbers: int) -> None:
    """Search all cases, or those with these ``numbers``, with trials of so many ``seconds``."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    cases: list[Callable[[], Case]] = [
        lambda: _pcm(1920, 0.02, 150, "?sample_rate=48000"),
        lambda: _pcm(3200, 0.1, 500, "?sample_rate=16000"),
        lambda: _webm(4 * (seconds + _WARM_UP_SECONDS)),
    ]
    for case in [cases[number - 1] for number in numbers] or cases:
        uvloop.run(_search_all(case(), seconds))


async def _search_all(case: Case, seconds: float) -> None:
    found: list[tuple[Server, Trial]] = []
    for server in _servers():
        print(f"-- {case.load.name}, {server.name}", flush=True)
        found.append((server, await _search(case, server, seconds)))
    for server, trial in found:
        print(f"{case.load.name:28}{server.name:20}{trial.sessions:6}  then: {trial.limit}")


def _servers() -> Iterator[Server]:
    yield Server("bare sink", lambda _: run_server("-m", "bench.bare_sink"), "/", 0)
    for workers in (1, 2):

        def run(
            folder: str, workers: int = workers
        ) -> contextlib.AbstractContextManager[tuple[int, psutil.Process]]:
            return run_service(
                {
                    "AUDIO_STORAGE_PATH": folder,
                    "MAX_CONCURRENT_SESSIONS": "100000",
                    "WORKERS": str(workers),
                }
            )

        yield Server(f"{workers} worker(s)", run, "/api/ws/audio", 1)


async def _search(case: Case, server: Server, seconds: float) -> Trial:
    """Return the largest trial that holds, with what limited the next one."""
    best, sessions, too_many = Trial(0, 0.0, 0, "", 0.0), case.sessions, 0
    limit = ""
    while not too_many or too_many - best.sessions > max(1, _PRECISION * too_many):
        trial = await _try(case, server, sessions, seconds)
        print(trial, flush=True)
        if trial.holds:
            best = trial
        else:
            too_many, limit = sessions, trial.limit
        sessions = (best.sessions + too_many) // 2 if too_many else int(sessions * _GROWTH)
    return best._replace(limit=limit)


async def _try(case: Case, server: Server, sessions: int, seconds: float) -> Trial:
    load = case.load._replace(connections=sessions)
    with tempfile.TemporaryDirectory(dir=".") as folder, server.run(folder) as (port, process):
        before = sum(each.memory_info().rss for each in _service_processes(process))
        connections = await hot_path_load.connect(
            load, port, server.path, greetings=server.greetings
        )
        await hot_path_load.run(load, connections, _WARM_UP_SECONDS)
        for connection in connections:
            connection.delays.clear()
        processes = _service_processes(process)
        busy = _Busy(processes)
        try:
            await hot_path_load.run(load, connections, seconds)
        except TimeoutError:
            return Trial(sessions, float("inf"), 0, busy.names(), 0.0)
        limit = busy.names()
        kib = (sum(each.memory_info().rss for each in processes) - before) / sessions / 1024
        delays = sorted(delay for each in connections for delay in each.delays)
        inexact = await _inexact(case, Path(folder), connections) if server.greetings else 0
        for connection in connections:
            connection.close()
    return Trial(sessions, delays[len(delays) * 99 // 100], inexact, limit, kib)


def _service_processes(process: psutil.Process) -> list[psutil.Process]:
    """Return the processes of the server, without ffmpeg."""
    children = process.children(recursive=True)
    return [process, *(each for each in children if "api.cli.worker" in " ".join(each.cmdline()))]


async def _inexact(case: Case, folder: Path, connections: Sequence[Connection]) -> int:
    """Close all sessions; return how many recordings are not what was sent."""
    wrong = 0
    for connection in connections:
        await connection.close_session()
        session_id = json.loads(connection.greeting)["session_id"]
        recorded = (folder / f"{session_id}.wav").read_bytes()[HEADER_BYTES:]
        wrong += recorded != case.expected(connection.sent)
    return wrong


class _Busy:
    """Which threads and cores are busy between its creation and the call of `names`."""

    def __init__(self, processes: Sequence[psutil.Process]) -> None:
        self._processes = processes
        self._began = time.monotonic()
        self._threads = self._thread_seconds()
        self._own = time.process_time()
        psutil.cpu_percent()

    def names(self) -> str:
        passed = time.monotonic() - self._began
        now = self._thread_seconds()
        shares = [now[thread] - self._threads.get(thread, 0.0) for thread in now]
        loop = max(shares) / passed
        generator = (time.process_time() - self._own) / passed
        machine = psutil.cpu_percent() / 100
        cores = {"event loop": loop, "load generator": generator, "machine": machine}
        text = ", ".join(f"{name} {share:.0%}" for name, share in cores.items())
        limits = [name for name, share in cores.items() if share > _BUSY]
        return f"{text} ({' and '.join(limits) or 'nothing'} at the limit)"

    def _thread_seconds(self) -> dict[str, float]:
        return {
            f"{each.pid}/{thread}": nanoseconds / 1e9
            for each in self._processes
            for thread, nanoseconds in thread_nanoseconds(each.pid).items()
        }
