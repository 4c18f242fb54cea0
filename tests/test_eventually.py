"""A test that waits gets the awaited value, or fails with what it awaited and what it saw."""

import asyncio

import pytest

from tests.eventually import eventually, start_task


async def test_the_first_accepted_value_is_returned() -> None:
    values = iter([0, 0, 3, 5])
    assert await eventually(lambda: next(values), awaiting="a number") == 3
    assert await eventually(lambda: next(values), lambda n: n > 4, awaiting="more than 4") == 5


async def test_a_coroutine_function_is_awaited() -> None:
    values = iter(["", "text"])

    async def probe() -> str:
        return next(values)

    assert await eventually(probe, awaiting="a text") == "text"


async def test_a_failure_names_what_was_awaited_and_the_last_value() -> None:
    with pytest.raises(AssertionError, match=r"not within 0\.1 s: a true value; last value: \[\]"):
        await eventually(list, awaiting="a true value", timeout_seconds=0.1)


async def test_a_probe_that_hangs_fails_too() -> None:
    with pytest.raises(AssertionError, match="an event; last value: 'no value yet'"):
        await eventually(asyncio.Event().wait, awaiting="an event", timeout_seconds=0.1)


async def test_an_error_of_the_probe_is_raised() -> None:
    async def probe() -> bool:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await eventually(probe, awaiting="nothing")


async def test_a_started_task_has_run_up_to_its_first_wait() -> None:
    has_begun = asyncio.Event()

    async def work() -> None:
        has_begun.set()
        await asyncio.Event().wait()

    task = await start_task(work())
    assert has_begun.is_set()
    task.cancel()
