"""A thousand sessions of every kind through one server, and then: is anything left of them?

No process, no file descriptor, no asyncio task, no active session, no growing memory.
Prints what happened; the exit code is 1 if anything is left or a recording is not exact.
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

from bench.servers import server
from bench.soak_clients import MismatchError, Site, SoakClient

_SESSIONS = 1000
_SECONDS = 600
_AT_ONCE = 40
_WARM_UP_SESSIONS = 80  # threads and libraries are there after that
_SESSION_SECONDS = 120  # one that takes longer stands still
_SETTLE_SECONDS = 15.0
# What nobody resumes within this is ended by the service itself.
_IDLE_SECONDS = 30
_RSS_EVERY = 100
_MAX_GROWTH_MIB = 10
_SHOWN_TRACEBACKS = 5
_TRACEBACK = re.compile(r"^Traceback .*\n(?:[ ].*\n)+.+", re.MULTILINE)


class Leftovers(NamedTuple):
    """What a server has beside its memory."""

    processes: int
    fds: int
    tasks: tuple[str, ...]


class Soak:
    """One run against one server. ``failures`` is empty after a good one."""

    def __init__(self, site: Site, process: psutil.Process) -> None:
        self._site = site
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
                    self.outcomes["not begun in time"] += 1
                    continue
                client = SoakClient(self._site, seed)
                await self._count(client.name, client.run)
                self._look(seeds)

        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
        while self._site.abandoned:
            client = self._site.abandoned.pop()
            await self._count(client.name, client.clean_up)
        page = await self._site.http("GET", "?status=active")
        self.failures += [f"still active: {session}" for session in page["sessions"]]

    async def _count(self, name: str, work: Callable[[], Awaitable[str]]) -> None:
        try:
            async with asyncio.timeout(_SESSION_SECONDS):
                self.outcomes[await work()] += 1
        except TimeoutError:
            self.failures.append(f"{name}: stood still")
        except (MismatchError, RuntimeError, OSError, WebSocketException) as error:
            # requests' errors are OSErrors.
            self.failures.append(f"{name}: {type(error).__name__}: {error}")

    def _look(self, seeds: range) -> None:
        self._ended += 1
        if self._ended % _RSS_EVERY == 0:
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
    with server("-m", "bench.soak_server", environ=environ, log=log) as (port, process):
        site = Site(port, folder / "recordings")
        warm_up, soak = Soak(site, process), Soak(site, process)
        await warm_up.run(range(sessions, sessions + _WARM_UP_SESSIONS), seconds)
        before = await _settled(process, tasks_file)
        print(f"before: {before}", flush=True)
        began = time.monotonic()
        await soak.run(range(sessions), seconds)
        print(f"after {time.monotonic() - began:.0f} s:")
        after = await _settled(process, tasks_file, before)
    for outcome, count in sorted(soak.outcomes.items()):
        print(f"{count:5} {outcome}")
    print(f"after: {after}")
    failures = warm_up.failures + soak.failures
    if after != before:
        failures.append(f"left behind: {after} instead of {before}")
    return failures + _growth(soak.rss_mib) + _tracebacks(log)


def _growth(rss_mib: list[float]) -> list[str]:
    """The second third of the run beside the last: what is kept per session would show."""
    third = len(rss_mib) // 3
    if third < 2:
        return []
    middle, last = (
        statistics.mean(rss_mib[-2 * third : -third]),
        statistics.mean(rss_mib[-third:]),
    )
    print(f"server RSS: second third {middle:.1f} MiB, last third {last:.1f} MiB on average")
    return [f"memory grew by {last - middle:.1f} MiB"] if last - middle > _MAX_GROWTH_MIB else []


def _tracebacks(log: Path) -> list[str]:
    """What the server did not expect, from its log."""
    found = {text.splitlines()[-1]: text for text in _TRACEBACK.findall(log.read_text())}
    return [f"the server logged {text}" for text in list(found.values())[:_SHOWN_TRACEBACKS]]


async def _settled(
    process: psutil.Process, tasks_file: Path, before: Leftovers | None = None
) -> Leftovers:
    """What is left after a while, at most until it is as ``before``: ending takes a moment."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        after = await asyncio.to_thread(_leftovers, process, tasks_file)
        if after == before or time.monotonic() > deadline:
            return after
        await asyncio.sleep(0.5)


def _leftovers(process: psutil.Process, tasks_file: Path) -> Leftovers:
    tasks_file.unlink(missing_ok=True)
    process.send_signal(signal.SIGUSR1)
    deadline = time.monotonic() + _SETTLE_SECONDS
    while not tasks_file.exists():
        if time.monotonic() > deadline:
            raise RuntimeError("the server's event loop stands still")
        time.sleep(0.01)
    tasks = tuple(json.loads(tasks_file.read_bytes()))
    return Leftovers(len(process.children(recursive=True)), process.num_fds(), tasks)
