"""Ctrl-C and SIGTERM while a command of the operator runs."""

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

import click

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_INTERRUPTED = 130  # as shells report a program that SIGINT has ended


def run_until_interrupted(main: Coroutine[Any, Any, T], *, hint: str) -> T:
    """Run ``main`` and return its result.

    Ctrl-C or SIGTERM cancels ``main``, which removes what it has half written; then the command
    exits with 130 and says so, with ``hint``. A second signal ends the process at once.
    """

    async def run() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        is_interrupted = False

        def interrupt() -> None:
            nonlocal is_interrupted
            if is_interrupted:
                os._exit(_INTERRUPTED)
            is_interrupted = True
            task.cancel()

        for number in _SIGNALS:
            loop.add_signal_handler(number, interrupt)
        try:
            return await main
        except (asyncio.CancelledError, Exception) as error:
            if not is_interrupted:
                raise
            raise _InterruptedRunError from error
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    try:
        return asyncio.run(run())
    except _InterruptedRunError:
        click.echo(f"sercuescribe: interrupted; {hint}", err=True)
        raise SystemExit(_INTERRUPTED) from None


class _InterruptedRunError(Exception):
    """A signal has cancelled what ran."""
