"""Ctrl-C: the first one finishes the session, the second one ends the command at once."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import click

from sercuescribe_client.cli.exit_codes import INTERRUPTED

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class InterruptHandler:
    """Handle SIGINT and SIGTERM.

    The first signal calls ``on_finish`` if it is set. Otherwise, and for every later signal, the
    task is cancelled.
    """

    def __init__(self) -> None:
        self.on_finish: Callable[[], None] | None = None
        self._interrupted = asyncio.Event()
        self._task = asyncio.current_task()

    @property
    def is_interrupted(self) -> bool:
        return self._interrupted.is_set()

    def handle_signal(self) -> None:
        if self.on_finish is not None and not self.is_interrupted:
            self.on_finish()
        elif self._task is not None:
            self._task.cancel()
        self._interrupted.set()

    async def chunks_until_interrupt(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the chunks that arrive before the first signal."""
        interrupt_task = asyncio.create_task(self._interrupted.wait())
        read_task: asyncio.Task[bytes | None] | None = None
        try:
            while not self.is_interrupted:
                read_task = asyncio.create_task(_next(chunks))
                tasks: list[asyncio.Task[Any]] = [read_task, interrupt_task]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                if not read_task.done() or (chunk := read_task.result()) is None:
                    return
                yield chunk
        finally:
            for task in filter(None, (interrupt_task, read_task)):
                task.cancel()
                await asyncio.wait([task])


@contextlib.contextmanager
def handle_interrupts() -> Iterator[InterruptHandler]:
    """Install the signal handlers for the duration of the block."""
    loop, handler = asyncio.get_running_loop(), InterruptHandler()
    for number in _SIGNALS:
        loop.add_signal_handler(number, handler.handle_signal)
    try:
        yield handler
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def run_until_interrupted(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` and return its result. Ctrl-C or SIGTERM cancels it and ends the command."""

    async def run() -> T:
        with handle_interrupts() as interrupts:
            try:
                return await main
            except asyncio.CancelledError:
                if not interrupts.is_interrupted:
                    raise
                raise _InterruptedRunError from None

    try:
        return asyncio.run(run())
    except _InterruptedRunError:
        click.echo("sercuescribe: interrupted", err=True)
        raise SystemExit(INTERRUPTED) from None


class _InterruptedRunError(Exception):
    """A signal has cancelled what ran."""


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)
