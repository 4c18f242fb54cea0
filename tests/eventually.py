"""Wait for a condition that no event announces."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar, overload

_POLL_SECONDS = 0.02

T = TypeVar("T")


@overload
async def eventually(
    probe: Callable[[], Awaitable[T]],
    is_met: Callable[[T], object] = ...,
    *,
    awaiting: str,
    timeout_seconds: float = ...,
) -> T: ...


@overload
async def eventually(
    probe: Callable[[], T],
    is_met: Callable[[T], object] = ...,
    *,
    awaiting: str,
    timeout_seconds: float = ...,
) -> T: ...


async def eventually(
    probe: Callable[[], Any],
    is_met: Callable[[Any], object] = bool,
    *,
    awaiting: str,
    timeout_seconds: float = 60,
) -> Any:
    """Call ``probe`` until ``is_met`` accepts its value, and return that value.

    ``probe`` may be a coroutine function. Without ``is_met``, any true value is accepted. After
    the timeout the test fails with what it was ``awaiting`` and the last value.
    """
    value: Any = "no value yet"
    try:
        async with asyncio.timeout(timeout_seconds) as deadline:
            while True:
                answer = probe()
                value = await answer if inspect.isawaitable(answer) else answer
                if is_met(value):
                    return value
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        if not deadline.expired():
            raise
    raise AssertionError(f"not within {timeout_seconds} s: {awaiting}; last value: {value!r}")


async def start_task(coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Start a task and return it when it waits for the first time."""
    task = asyncio.create_task(coroutine)
    await asyncio.sleep(0)  # the event loop runs tasks in the order of their creation
    return task
