"""Background tasks that fail are logged, counted and started again."""

import asyncio

import pytest

from storage.retry import Backoff
from storage.supervisor import Supervisor
from tests.conftest import ManualClock

AT_ONCE = Backoff(first_seconds=0, max_seconds=0)


class Task:
    """Fails a number of times, then runs until it is cancelled."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.runs = asyncio.Event()

    async def run(self) -> None:
        if self.failures:
            self.failures -= 1
            raise LookupError("a defect")
        self.runs.set()
        await asyncio.Event().wait()


async def test_a_task_that_fails_is_logged_with_its_trace_counted_and_started_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    supervisor, task = Supervisor(backoff=AT_ONCE), Task(failures=3)
    running = supervisor.start("retention", task.run)
    await task.runs.wait()
    assert supervisor.failures == {"retention": 3}
    assert [record.message[:42] for record in caplog.records] == [
        "Background task failed: name=retention fai"
    ] * 3
    assert "LookupError: a defect" in caplog.text
    running.cancel()


async def test_a_task_that_failed_is_named_until_it_has_run_for_two_minutes(
    clock: ManualClock,
) -> None:
    supervisor = Supervisor(backoff=AT_ONCE, monotonic=clock.monotonic)
    good, bad = Task(failures=0), Task(failures=1)
    running = [supervisor.start("good", good.run), supervisor.start("bad", bad.run)]
    await bad.runs.wait()
    assert supervisor.failing == ["bad"]
    clock.seconds += 121
    assert supervisor.failing == []
    for task in running:
        task.cancel()


async def test_a_task_that_returns_or_is_cancelled_is_not_started_again() -> None:
    supervisor, runs = Supervisor(backoff=AT_ONCE), []

    async def once() -> None:
        runs.append(1)

    await supervisor.start("once", once)
    endless = Task(failures=0)
    running = supervisor.start("endless", endless.run)
    await endless.runs.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (len(runs), supervisor.failures) == (1, {})
