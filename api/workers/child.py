"""A worker as its supervisor sees it."""

import asyncio
import contextlib
import logging
import signal
import time
from enum import Enum

from api.workers.control import ToWorker, encode

logger = logging.getLogger(__name__)

_START_SECONDS = 60.0
_STOP_SECONDS = 12.0  # more than the ten seconds in which a worker persists everything


class State(Enum):
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


class Child:
    """One worker: its process, its connection, and how far it is."""

    def __init__(
        self, number: int, process: asyncio.subprocess.Process, writer: asyncio.StreamWriter
    ) -> None:
        self.number = number
        self.process = process
        self.state = State.STARTING
        self.started_at = self.heard_at = time.monotonic()
        self.changed = asyncio.Event()  # it is ready, or it has ended
        self._writer = writer

    def send(self, message: ToWorker) -> None:
        if not self._writer.is_closing():
            self._writer.write(encode(message) + b"\n")

    def signal(self, number: signal.Signals) -> None:
        if self.process.returncode is None:
            self.process.send_signal(number)

    def stop(self) -> None:
        """Ask it to stop in order."""
        self.state = State.STOPPING
        self.signal(signal.SIGTERM)

    async def ended(self) -> None:
        """Return when it has ended after `stop`; kill it after a time."""
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self.process.wait()
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await self.process.wait()

    def kill_if_silent(self, now: float, hung_seconds: float) -> None:
        """Kill it if its event loop has not answered for ``hung_seconds``; longer at its start."""
        limit_seconds = _START_SECONDS if self.state is State.STARTING else hung_seconds
        silent_seconds = now - self.heard_at
        if self.state is not State.STOPPING and silent_seconds > limit_seconds:
            logger.error(
                "Worker hangs, killing it: worker=%d silent_seconds=%.0f",
                self.number,
                silent_seconds,
            )
            self.signal(signal.SIGKILL)

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
