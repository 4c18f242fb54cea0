"""Threads for what blocks, in pools of their own for each kind of work.

A pool that is busy delays its own kind of work only: lists and downloads delay no session that is
created, synced or completed.
"""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_FINISH_SECONDS = 2.0


class ThreadPool:
    """Runs functions in at most ``size`` threads; further ones wait."""

    def __init__(self, name: str, size: int) -> None:
        self.size = size
        self._executor = ThreadPoolExecutor(size, thread_name_prefix=name)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``function(*args, **kwargs)``, called in a thread.

        If the caller is cancelled, the call goes on unless it has not started.
        """
        call = functools.partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    async def finish(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return as `run` does. If the caller is cancelled, wait for a call that has started.

        So that nothing is written after the caller has ended. It waits for two seconds at most: a
        disk may hang.
        """
        call = self.submit(function, *args, **kwargs)
        try:
            return await asyncio.wrap_future(call)
        except asyncio.CancelledError:
            if not call.cancelled():
                await asyncio.wait([asyncio.wrap_future(call)], timeout=_FINISH_SECONDS)
            raise

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Call the function in a thread; the result does not depend on an event loop."""
        return self._executor.submit(function, *args, **kwargs)


# Writing, syncing, taking over; and reading one manifest, which a client that connects waits for.
recording = ThreadPool("recording", 16)

# Calls of ``fdatasync`` for recordings that are synced together.
syncing = ThreadPool("syncing", 32)

# Downloads and waveforms.
reading = ThreadPool("reading", 8)

# A list may read every manifest. Few threads, because they compete for the interpreter with the
# event loop.
listing = ThreadPool("listing", 2)

# Comparing the index of a volume with the folder: long, and no client waits for it.
upkeep = ThreadPool("upkeep", 1)
