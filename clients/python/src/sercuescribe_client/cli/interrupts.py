"""Ctrl-C: the first one finishes the session, the second ends at once."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """Comes as a signal. Where nothing is to be finished, or the second time, it cancels."""

    def __init__(self) -> None:
        self.on_finish: Callable[[], None] | None = None
        self._came = asyncio.Event()
        self._task = asyncio.current_task()

    @property
    def has_come(self) -> bool:
        return self._came.is_set()

    def come(self) -> None:
        if self.on_finish is not None and not self.has_come:
            self.on_finish()
        elif self._task is not None:
            self._task.cancel()
        self._came.set()

    async def until(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The chunks that there are before the interrupt comes."""
        coming = asyncio.create_task(self._came.wait())
        reading: asyncio.Task[bytes | None] | None = None
        try:
            while not self.has_come:
                reading = asyncio.create_task(_next(chunks))
                either: list[asyncio.Task[Any]] = [reading, coming]
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if not reading.done() or (chunk := reading.result()) is None:
                    return
                yield chunk
        finally:
            for task in filter(None, (coming, reading)):
                task.cancel()
                await asyncio.wait([task])


@contextlib.contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Take the signals for as long as the block lasts."""
    loop, interrupt = asyncio.get_running_loop(), Interrupt()
    for number in _SIGNALS:
        loop.add_signal_handler(number, interrupt.come)
    try:
        yield interrupt
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)
