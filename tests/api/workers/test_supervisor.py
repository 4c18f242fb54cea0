"""The supervisor keeps workers running. The workers here are processes that only beat."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from api.workers.supervisor import Supervisor
from tests.eventually import eventually

pytestmark = pytest.mark.engine

# Arguments: its number, the descriptor of its connection, and what it does.
WORKER = """
import asyncio, os, socket, sys, time
from api.workers.control import Control
async def main():
    stop = asyncio.Event()
    control = Control(socket.socket(fileno=int(sys.argv[2])))
    await control.start(stop.set)
    asyncio.get_running_loop().add_signal_handler(15, stop.set)
    control.ready()
    while not stop.is_set():
        control.beat()
        if control.look.is_set():
            print("look", sys.argv[1], flush=True)
            control.look.clear()
        await asyncio.sleep(0.02)
if sys.argv[3] == "fail":
    sys.exit(7)
if sys.argv[3] == "killed":
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""


class Harness:
    def __init__(self, count: int, does: Callable[[int], str], hung_seconds: float) -> None:
        self.processes: list[asyncio.subprocess.Process] = []
        self.numbers: list[int] = []
        self.ended: list[int] = []
        self.refusals: list[OSError] = []  # of the next attempts to spawn a worker
        self.spawning = asyncio.Event()
        self.may_spawn = asyncio.Event()
        self.may_spawn.set()
        self.started = asyncio.Event()
        self._does = does
        self.supervisor = Supervisor(
            count,
            self.spawn,
            started=self.started.set,
            ended=self.ended.append,
            hung_seconds=hung_seconds,
            lived_seconds=0.0,
        )

    async def spawn(self, number: int, end: socket.socket) -> asyncio.subprocess.Process:
        does = self._does(len(self.processes))
        if self.refusals:
            raise self.refusals.pop()
        self.spawning.set()
        await self.may_spawn.wait()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", WORKER, str(number), str(end.fileno()), does),
            pass_fds=[end.fileno()],
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self.processes.append(process)
        self.numbers.append(number)
        return process

    async def close(self) -> None:
        for process in self.processes:
            await process.communicate()  # it closes the pipes

    async def processes_started(self, count: int) -> None:
        await eventually(lambda: len(self.processes) >= count, awaiting=f"{count} processes")

    async def has_ended(self, number: int) -> None:
        await eventually(lambda: number in self.ended, awaiting=f"the end of worker {number}")

    async def looks(self, index: int) -> None:
        """Wait until a worker was told to look for sessions."""
        stdout = self.processes[index].stdout
        assert stdout is not None
        assert (await stdout.readline()).startswith(b"look")


@asynccontextmanager
async def running(
    count: int, does: Callable[[int], str] = lambda _: "run", hung_seconds: float = 60.0
) -> AsyncIterator[Harness]:
    """Run a supervisor; stop it at the end as an operator does."""
    harness = Harness(count, does, hung_seconds)
    running = asyncio.create_task(harness.supervisor.run())
    await harness.started.wait()
    yield harness
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0
    await harness.close()
    assert [each.returncode for each in harness.processes if each.returncode is None] == []


async def test_all_workers_are_told_to_look_when_all_have_started() -> None:
    async with running(2) as harness:
        await harness.looks(0)
        await harness.looks(1)
        assert harness.numbers == [1, 2]
    assert [each.returncode for each in harness.processes] == [0, 0]


async def test_a_worker_that_died_is_replaced_and_the_others_look_for_its_sessions() -> None:
    async with running(2) as harness:
        await harness.looks(1)
        harness.processes[0].kill()
        await harness.looks(1)
        assert harness.ended == [1]
        await harness.processes_started(3)
    assert harness.numbers == [1, 2, 1]


async def test_a_worker_that_hangs_is_killed_and_replaced() -> None:
    async with running(1, hung_seconds=2.0) as harness:
        harness.processes[0].send_signal(signal.SIGSTOP)
        await harness.processes_started(2)
        assert harness.processes[0].returncode == -signal.SIGKILL


async def test_sighup_replaces_each_worker_after_its_successor_is_ready() -> None:
    async with running(2) as harness:
        os.kill(os.getpid(), signal.SIGHUP)
        await harness.processes_started(4)
        await eventually(lambda: len(harness.ended) == 2, awaiting="the end of the old workers")
        assert [each.returncode for each in harness.processes] == [0, 0, None, None]
    assert harness.numbers == [1, 2, 3, 1]


async def test_two_workers_that_die_together_are_both_replaced() -> None:
    async with running(2) as harness:
        harness.may_spawn.clear()
        for number, process in enumerate(harness.processes[:2], 1):
            process.kill()
            await harness.has_ended(number)
        harness.may_spawn.set()
        await harness.processes_started(4)
        await harness.looks(2)
        await harness.looks(3)
    assert sorted(harness.numbers[2:]) == [1, 2]


async def test_a_worker_that_the_system_refused_to_start_is_started_later() -> None:
    async with running(1) as harness:
        harness.refusals.append(BlockingIOError("no process left"))
        harness.processes[0].kill()
        await harness.processes_started(2)


async def test_sighup_ends_with_all_workers_if_a_new_one_dies_meanwhile() -> None:
    async with running(2) as harness:
        os.kill(os.getpid(), signal.SIGHUP)
        await harness.processes_started(3)
        await harness.has_ended(1)
        await harness.processes_started(4)
        harness.processes[2].kill()  # while there is one worker more
        await harness.processes_started(5)
        await harness.looks(4)
        assert [each.returncode for each in harness.processes[3:]] == [None, None]


async def test_sighup_while_the_first_workers_start_replaces_them_when_all_have_started() -> None:
    harness = Harness(2, lambda _: "run", hung_seconds=60.0)
    harness.may_spawn.clear()
    running = asyncio.create_task(harness.supervisor.run())
    await harness.spawning.wait()
    os.kill(os.getpid(), signal.SIGHUP)
    harness.may_spawn.set()
    await harness.started.wait()
    await eventually(lambda: len(harness.ended) == 2, awaiting="the end of the old workers")
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0
    await harness.close()
    assert [each.returncode for each in harness.processes] == [0, 0, 0, 0]


async def test_sigterm_also_stops_a_worker_that_is_being_started() -> None:
    harness = Harness(1, lambda _: "run", hung_seconds=60.0)
    running = asyncio.create_task(harness.supervisor.run())
    await harness.started.wait()
    harness.may_spawn.clear()
    harness.spawning.clear()
    harness.processes[0].kill()
    await harness.spawning.wait()
    os.kill(os.getpid(), signal.SIGTERM)
    asyncio.get_running_loop().call_later(0.1, harness.may_spawn.set)
    assert await running == 0
    ended, codes = harness.ended, [each.returncode for each in harness.processes]
    await harness.close()
    assert ended == [1, 1]
    assert codes[1] is not None


async def test_a_service_with_a_worker_that_is_killed_at_its_start_has_failed() -> None:
    harness = Harness(2, lambda index: ("run", "killed")[index], hung_seconds=60.0)
    assert await asyncio.wait_for(harness.supervisor.run(), 60) == 1
    await harness.close()


async def test_a_service_whose_workers_cannot_start_ends_with_their_exit_code() -> None:
    harness = Harness(2, lambda index: ("run", "fail")[index], hung_seconds=60.0)
    assert await asyncio.wait_for(harness.supervisor.run(), 60) == 7
    assert not harness.started.is_set()
    await harness.close()


@pytest.fixture(autouse=True)
async def _no_handlers_left() -> AsyncIterator[None]:
    yield
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().remove_signal_handler(number)
