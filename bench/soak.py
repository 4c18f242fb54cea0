"""A thousand sessions of every kind through one server, and a check for leaked resources.

No process, file descriptor, asyncio task or active session may be left, and memory may not grow.
The exit code is 1 if a resource leaked or a recording is not exact.
"""

import asyncio
import collections
import json
import re
import signal
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import psutil
from websockets.exceptions import WebSocketException

from bench.server_process import run_server
from bench.soak_clients import MismatchError, SoakClient, SoakTarget

_SESSIONS = 1000
_SECONDS = 600
_CONCURRENT_SESSIONS = 40
_WARM_UP_SESSIONS = 80  # start all threads and load all libraries
_SESSION_TIMEOUT_SECONDS = 120
_SETTLE_SECONDS = 15.0
# After this time, the service itself ends a session without a connection.
_IDLE_SECONDS = 30
_SESSIONS_PER_RSS_SAMPLE = 100
_MAX_GROWTH_MIB = 10
_SHOWN_TRACEBACKS = 5
_TRACEBACK = re.compile(r"^Traceback .*\n(?:[ ].*\n)+.+", re.MULTILINE)


class ServerResources(NamedTuple):
    """The resources of a server process besides its memory."""

    processes: int
    fds: int
    tasks: tuple[str, ...]


class Soak:
    """One run against one server; ``failures`` is empty if the run passed."""

    def __init__(self, target: SoakTarget, process: psutil.Process) -> None:
        self._target = target
        self._process = process
        self._ended = 0
        self.outcomes: collections.Counter[str] = collections.Counter()
        self.failures: list[str] = []
        self.rss_mib: list[float] = []

    async def run(self, seeds: range, seconds: int) -> None:
        remaining, deadline = iter(seeds), time.monotonic() + seconds

        async def work() -> None:
            for seed in remaining:
                if time.monotonic() > deadline:
                    self.outcomes["not started in time"] += 1
                    continue
                client = SoakClient(self._target, seed)
                await self._count(client.name, client.run)
                self._print_memory(seeds)

        await asyncio.gather(*(work() for _ in range(_CONCURRENT_SESSIONS)))
        while self._target.abandoned:
            client = self._target.abandoned.pop()
            await self._count(client.name, client.clean_up)
        page = await self._target.http("GET", "?status=active")
        self.failures += [f"still active: {session}" for session in page["sessions"]]

    async def _count(self, name: str, work: Callable[[], Awaitable[str]]) -> None:
        try:
            async with asyncio.timeout(_SESSION_TIMEOUT_SECONDS):
                self.outcomes[await work()] += 1
        except TimeoutError:
            self.failures.append(f"{name}: no progress within {_SESSION_TIMEOUT_SECONDS} s")
        except (MismatchError, RuntimeError, OSError, WebSocketException) as error:
            # requests' errors are OSErrors.
            self.failures.append(f"{name}: {type(error).__name__}: {error}")

    def _print_memory(self, seeds: range) -> None:
        self._ended += 1
        if self._ended % _SESSIONS_PER_RSS_SAMPLE == 0:
            self.rss_mib.append(self._process.memory_info().rss / 2**20)
            children = len(self._process.children())
            print(
                f"{self._ended:5} of {len(seeds)}: server {self.rss_mib[-1]:.1f} MiB RSS,"
                f" {self._process.num_fds()} descriptors, {children} ffmpeg",
                flush=True,
            )


def main(sessions: int = _SESSIONS, seconds: int = _SECONDS) -> None:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        failures = asyncio.run(_main(Path(folder), sessions, seconds))
    for failure in failures:
        print(f"FAILED {failure}")
    mismatches = sum(MismatchError.__name__ in failure for failure in failures)
    print(f"mismatches: {mismatches}; failures of any kind: {len(failures)}")
    if failures:
        raise SystemExit(1)


async def _main(folder: Path, sessions: int, seconds: int) -> list[str]:
    tasks_file, log = folder / "tasks.json", folder / "server.log"
    environ = {
        "AUDIO_STORAGE_PATH": str(folder / "recordings"),
        "SOAK_TASKS_FILE": str(tasks_file),
        "MAX_CONCURRENT_SESSIONS": str(sessions + _WARM_UP_SESSIONS),
        "CONNECTION_TIMEOUT_SECONDS": str(_IDLE_SECONDS),
        "SESSION_IDLE_TIMEOUT_SECONDS": str(_IDLE_SECONDS),
    }
    with run_server("-m", "bench.soak_server", environ=environ, log=log) as (port, process):
        target = SoakTarget(port, folder / "recordings")
        warm_up, soak = Soak(target, process), Soak(target, process)
        await warm_up.run(range(sessions, sessions + _WARM_UP_SESSIONS), seconds)
        before = await _wait_for_resources(process, tasks_file)
        print(f"before: {before}", flush=True)
        began = time.monotonic()
        await soak.run(range(sessions), seconds)
        print(f"after {time.monotonic() - began:.0f} s:")
        after = await _wait_for_resources(process, tasks_file, before)
    for outcome, count in sorted(soak.outcomes.items()):
        print(f"{count:5} {outcome}")
    print(f"after: {after}")
    failures = warm_up.failures + soak.failures
    if after != before:
        failures.append(f"leaked resources: {after} instead of {before}")
    return failures + _memory_growth(soak.rss_mib) + _logged_tracebacks(log)


def _memory_growth(rss_mib: list[float]) -> list[str]:
    """Compare the memory of the second and the last third of the run to find a leak."""
    third = len(rss_mib) // 3
    if third < 2:
        return []
    middle, last = (
        statistics.mean(rss_mib[-2 * third : -third]),
        statistics.mean(rss_mib[-third:]),
    )
    print(f"server RSS: second third {middle:.1f} MiB, last third {last:.1f} MiB on average")
    return [f"memory grew by {last - middle:.1f} MiB"] if last - middle > _MAX_GROWTH_MIB else []


def _logged_tracebacks(log: Path) -> list[str]:
    """Return the tracebacks in the server's log."""
    found = {text.splitlines()[-1]: text for text in _TRACEBACK.findall(log.read_text())}
    return [f"the server logged {text}" for text in list(found.values())[:_SHOWN_TRACEBACKS]]


async def _wait_for_resources(
    process: psutil.Process, tasks_file: Path, before: ServerResources | None = None
) -> ServerResources:
    """Return the resources when they equal ``before``, or after ``_SETTLE_SECONDS``."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        after = await asyncio.to_thread(_read_resources, process, tasks_file)
        if after == before or time.monotonic() > deadline:
            return after
        await asyncio.sleep(0.5)


def _read_resources(process: psutil.Process, tasks_file: Path) -> ServerResources:
    tasks_file.unlink(missing_ok=True)
    process.send_signal(signal.SIGUSR1)
    deadline = time.monotonic() + _SETTLE_SECONDS
    while not tasks_file.exists():
        if time.monotonic() > deadline:
            raise RuntimeError("the server's event loop does not respond")
        time.sleep(0.01)
    tasks = tuple(json.loads(tasks_file.read_bytes()))
    return ServerResources(len(process.children(recursive=True)), process.num_fds(), tasks)
