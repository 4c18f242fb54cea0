"""P6, bounded: a client that asks too much takes nothing from the others, and leaves nothing."""

import asyncio
import itertools
import math
import threading
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from tests.audio import cut, cut_anywhere, decode, encode, pcm, speech
from tests.bad_clients import BadClient, ComesAndGoes, LargestChunks, NeverReads
from tests.service import Service

_WEBM = encode(
    speech(), "-c:a", "libopus", "-f", "webm", "-live", "1", "-cluster_time_limit", "100"
)
_RAW = pcm(100_000)

# What the service may grow by beside a bad client, over what it takes for ordinary sessions.
_MOST_GROWTH_BYTES = 100_000_000
_MUCH_BYTES = 2 * _MOST_GROWTH_BYTES
_DEADLINE_SECONDS = 60


class Footprint:
    """What a service takes of the machine."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._process = psutil.Process(service.pid)
        self.peak_bytes = 0

    @property
    def rss_bytes(self) -> int:
        return int(self._process.memory_info().rss)

    @property
    def descriptors(self) -> int:
        return int(self._process.num_fds())

    async def watch(self) -> None:
        while True:
            self.peak_bytes = max(self.peak_bytes, self.rss_bytes)
            await asyncio.sleep(0.01)

    async def quiet(self, most_descriptors: float = math.inf) -> None:
        """Ending takes a moment, and so does noticing that somebody is gone."""
        left: list[Any] = []
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                while any(left := await asyncio.to_thread(self._left, most_descriptors)):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pytest.fail(f"left over: {left}")

    def _left(self, most_descriptors: float) -> list[Any]:
        too_many = self.descriptors if self.descriptors > most_descriptors else None
        page = self._service.get("/api/audio/sessions?status=active").json()
        return [too_many, page["sessions"], self._process.children(recursive=True)]


async def record(
    service: Service, pieces: list[bytes], expected: bytes, over: threading.Event
) -> None:
    """Session after session of ``pieces`` until it is ``over``, one at least, each exact."""
    for number in itertools.count():
        if number and over.is_set():
            return
        async with service.session(sample_rate=48000) as client:
            for count, piece in enumerate(pieces, start=1):
                answer = await client.send(piece)
                assert (answer["type"], answer["chunk_count"]) == ("chunk", count)
            final = await client.close_session()
        assert final["chunk_count"] == final["persisted_chunk_count"] == len(pieces)
        recorded = await asyncio.to_thread(service.pcm, client.session_id)
        assert recorded == expected, f"session {number}: {len(recorded)} bytes"


async def ordinary_sessions(service: Service, over: threading.Event) -> None:
    """Two of raw PCM and two of WebM at any time."""
    webm = decode(_WEBM, sample_rate=48000)
    async with asyncio.timeout(_DEADLINE_SECONDS), asyncio.TaskGroup() as group:
        for seed in range(2):
            odd = list(cut_anywhere(_RAW, seed=seed, largest=8000))
            group.create_task(record(service, odd, _RAW, over))
            blobs = list(cut(_WEBM, 700 + seed))
            group.create_task(record(service, blobs, webm, over))


@pytest.mark.parametrize(
    ("bad", "much_bytes"),
    [(NeverReads(), _MUCH_BYTES), (LargestChunks(), _MUCH_BYTES), (ComesAndGoes(), 0)],
    ids=["never reads", "chunks of 10 MB", "comes and goes"],
)
async def test_a_bad_client_takes_nothing_from_the_others_and_leaves_nothing(
    start_service: Callable[..., Service], bad: BadClient, much_bytes: int
) -> None:
    service = start_service(session_idle_timeout_seconds=1, max_concurrent_sessions=10_000)
    footprint, over = Footprint(service), threading.Event()
    over.set()
    await ordinary_sessions(service, over)  # threads and libraries are there after that
    await footprint.quiet()
    quiet_bytes = footprint.rss_bytes
    most_descriptors = footprint.descriptors + 1  # whoever asks has a connection of its own

    over.clear()
    watching = asyncio.create_task(footprint.watch())
    misbehaving = asyncio.create_task(asyncio.to_thread(bad.run, service.port, over))
    recording = asyncio.create_task(ordinary_sessions(service, over))
    try:
        done = asyncio.create_task(asyncio.to_thread(bad.did_its_worst.wait, _DEADLINE_SECONDS))
        await asyncio.wait([done, misbehaving, recording], return_when=asyncio.FIRST_COMPLETED)
    finally:
        over.set()
        await asyncio.gather(recording, misbehaving)
    assert await done
    assert bad.sent_bytes >= much_bytes, f"only {bad.sent_bytes} bytes were sent"
    watching.cancel()
    assert footprint.peak_bytes - quiet_bytes < _MOST_GROWTH_BYTES
    await footprint.quiet(most_descriptors)
    assert not [line for line in service.log if "Traceback" in line]
