"""Recordings and a resource monitor that run while a bad client overloads the service."""

import asyncio
import itertools
import math
import threading
from typing import Any

import psutil
import pytest

from tests.service import Service

TIMEOUT_SECONDS = 60


class ResourceMonitor:
    """Measure the memory and the file descriptors of a service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._process = psutil.Process(service.pid)
        self.peak_bytes = 0
        self.peak_descriptors = 0

    @property
    def rss_bytes(self) -> int:
        return int(self._process.memory_info().rss)

    @property
    def descriptors(self) -> int:
        return int(self._process.num_fds())

    async def run(self) -> None:
        while True:
            self.peak_bytes = max(self.peak_bytes, self.rss_bytes)
            self.peak_descriptors = max(self.peak_descriptors, self.descriptors)
            await asyncio.sleep(0.05)

    async def wait_until_idle(self, max_descriptors: float = math.inf) -> None:
        """Return when no session, child process or extra descriptor is left, or fail."""
        leftovers: list[Any] = []
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while any(leftovers := await asyncio.to_thread(self._leftovers, max_descriptors)):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pytest.fail(f"left over: {leftovers}")

    def _leftovers(self, max_descriptors: float) -> list[Any]:
        too_many = self.descriptors if self.descriptors > max_descriptors else None
        page = self._service.get("/api/audio/sessions?status=active").json()
        return [too_many, page["sessions"], self._process.children(recursive=True)]


async def record_until_stopped(
    service: Service,
    pieces: list[bytes],
    expected: bytes,
    stop: threading.Event,
    pause_seconds: float = 0,
) -> None:
    """Record ``pieces`` in one session after another until ``stop`` is set, at least once.

    Fail if a recording is not exact.
    """
    for number in itertools.count():
        if number and stop.is_set():
            return
        async with service.session(sample_rate=48000) as client:
            for count, piece in enumerate(pieces, start=1):
                answer = await client.send(piece)
                assert (answer["type"], answer["chunk_count"]) == ("chunk", count)
                await asyncio.sleep(pause_seconds)
            final = await client.close_session()
        assert final["chunk_count"] == final["persisted_chunk_count"] == len(pieces)
        recorded = await asyncio.to_thread(service.pcm, client.session_id)
        assert recorded == expected, f"session {number}: {len(recorded)} bytes"
