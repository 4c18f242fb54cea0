"""What stands beside a client that asks too much: a service that is watched, and recordings."""

import asyncio
import itertools
import math
import threading
from typing import Any

import psutil
import pytest

from tests.service import Service

DEADLINE_SECONDS = 60


class Footprint:
    """What a service takes of the machine."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._process = psutil.Process(service.pid)
        self.peak_bytes = 0
        self.most_descriptors = 0

    @property
    def rss_bytes(self) -> int:
        return int(self._process.memory_info().rss)

    @property
    def descriptors(self) -> int:
        return int(self._process.num_fds())

    async def watch(self) -> None:
        while True:
            self.peak_bytes = max(self.peak_bytes, self.rss_bytes)
            self.most_descriptors = max(self.most_descriptors, self.descriptors)
            await asyncio.sleep(0.05)

    async def quiet(self, most_descriptors: float = math.inf) -> None:
        """Ending takes a moment, and so does noticing that somebody is gone."""
        left: list[Any] = []
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while any(left := await asyncio.to_thread(self._left, most_descriptors)):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pytest.fail(f"left over: {left}")

    def _left(self, most_descriptors: float) -> list[Any]:
        too_many = self.descriptors if self.descriptors > most_descriptors else None
        page = self._service.get("/api/audio/sessions?status=active").json()
        return [too_many, page["sessions"], self._process.children(recursive=True)]


async def record(
    service: Service,
    pieces: list[bytes],
    expected: bytes,
    over: threading.Event,
    pause_seconds: float = 0,
) -> None:
    """Session after session of ``pieces`` until it is ``over``, one at least, each exact."""
    for number in itertools.count():
        if number and over.is_set():
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
