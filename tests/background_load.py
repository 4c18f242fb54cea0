"""Recordings and a resource monitor that run while a bad client overloads the service."""

import asyncio
import itertools
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import psutil

from tests.audio import decode, encode, speech
from tests.bad_clients import BadClient
from tests.eventually import eventually
from tests.service import Service

_TIMEOUT_SECONDS = 60
_SAMPLE_SECONDS = 0.05  # between two measurements of the resources

WEBM = encode(speech(), "-c:a", "libopus", "-f", "webm", "-live", "1", "-cluster_time_limit", "100")


class Source(NamedTuple):
    """The chunks of an ordinary session, and the PCM that they decode to at 48 kHz mono."""

    chunks: list[bytes]
    pcm: bytes

    @classmethod
    def webm(cls, chunks: list[bytes]) -> "Source":
        return cls(chunks, decode(WEBM, sample_rate=48000))


class Peaks(NamedTuple):
    """What a bad client cost the service in addition to ordinary sessions."""

    growth_bytes: int  # of memory
    descriptors: int  # in all


async def overload(
    service: Service,
    bad_client: BadClient,
    sources: Sequence[Source],
    *,
    chunk_seconds: float = 0,
) -> Peaks:
    """Run ``bad_client`` until it has sent enough, while one session records each source.

    ``chunk_seconds`` lie between two chunks of a session. Fail if a recording is not exact, if
    the service logs a traceback, or if a session, a child process or a descriptor is left over.
    """
    monitor, stop = _ResourceMonitor(service), threading.Event()
    stop.set()
    # Once without load: this starts all threads and loads all libraries.
    await _record_until_stopped(service, sources, stop, chunk_seconds)
    await monitor.wait_until_idle()
    idle_bytes = monitor.rss_bytes
    max_descriptors = monitor.descriptors + 1  # the monitor's own request has a connection

    stop.clear()
    monitor_task = asyncio.create_task(monitor.run())
    load_task = asyncio.create_task(asyncio.to_thread(bad_client.run, service.port, stop))
    record_task = asyncio.create_task(_record_until_stopped(service, sources, stop, chunk_seconds))
    try:
        done = asyncio.create_task(
            asyncio.to_thread(bad_client.has_sent_enough.wait, _TIMEOUT_SECONDS)
        )
        await asyncio.wait([done, load_task, record_task], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        await asyncio.gather(record_task, load_task)
    assert await done
    monitor_task.cancel()
    await monitor.wait_until_idle(max_descriptors)
    assert not [line for line in service.log if "Traceback" in line]
    return Peaks(monitor.peak_bytes - idle_bytes, monitor.peak_descriptors)


async def _record_until_stopped(
    service: Service, sources: Sequence[Source], stop: threading.Event, chunk_seconds: float
) -> None:
    async with asyncio.timeout(_TIMEOUT_SECONDS), asyncio.TaskGroup() as group:
        for source in sources:
            group.create_task(_record_source(service, source, stop, chunk_seconds))


async def _record_source(
    service: Service, source: Source, stop: threading.Event, chunk_seconds: float
) -> None:
    """Record a source in one session after another until ``stop`` is set, at least once."""
    for number in itertools.count():
        if number and stop.is_set():
            return
        async with service.session(sample_rate=48000) as client:
            for count, chunk in enumerate(source.chunks, start=1):
                answer = await client.send(chunk)
                assert (answer["type"], answer["chunk_count"]) == ("chunk", count)
                await asyncio.sleep(chunk_seconds)
            final = await client.close_session()
        assert final["chunk_count"] == final["persisted_chunk_count"] == len(source.chunks)
        recorded = await asyncio.to_thread(service.pcm, client.session_id)
        assert recorded == source.pcm, f"session {number}: {len(recorded)} bytes"


class _ResourceMonitor:
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
            await asyncio.sleep(_SAMPLE_SECONDS)

    async def wait_until_idle(self, max_descriptors: float | None = None) -> None:
        """Return when no session, child process or extra descriptor is left, or fail."""
        await eventually(
            lambda: asyncio.to_thread(self._leftovers, max_descriptors),
            lambda leftovers: not any(leftovers),
            awaiting="no extra descriptor, no session and no child process",
            timeout_seconds=_TIMEOUT_SECONDS,
        )

    def _leftovers(self, max_descriptors: float | None) -> list[Any]:
        found = self.descriptors
        extra = found if max_descriptors is not None and found > max_descriptors else 0
        page = self._service.get("/api/audio/sessions?status=active").json()
        return [extra, page["sessions"], self._process.children(recursive=True)]
