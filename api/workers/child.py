"""A worker as its supervisor sees it."""

import asyncio
import contextlib
import signal
import time
from enum import Enum

from api.workers.control import ToWorker, encode


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

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
