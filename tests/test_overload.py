"""P6, bounded: a client that overloads the service does not affect others and leaks nothing."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from tests.audio import cut, cut_anywhere, decode, encode, pcm, speech
from tests.background_load import TIMEOUT_SECONDS, ResourceMonitor, record_until_stopped
from tests.bad_clients import BadClient, LargestChunks, NeverReads, ReconnectLoop
from tests.service import Service

pytestmark = [pytest.mark.long, pytest.mark.load]

_WEBM = encode(
    speech(), "-c:a", "libopus", "-f", "webm", "-live", "1", "-cluster_time_limit", "100"
)
_RAW = pcm(100_000)

# The memory that a bad client may cost, in addition to that of ordinary sessions.
_MAX_GROWTH_BYTES = 100_000_000
_MIN_SENT_BYTES = 2 * _MAX_GROWTH_BYTES


async def record_ordinary_sessions(service: Service, stop: threading.Event) -> None:
    """Record two sessions of raw PCM and two of WebM at any time."""
    webm = decode(_WEBM, sample_rate=48000)
    async with asyncio.timeout(TIMEOUT_SECONDS), asyncio.TaskGroup() as group:
        for seed in range(2):
            odd = list(cut_anywhere(_RAW, seed=seed, largest=8000))
            group.create_task(record_until_stopped(service, odd, _RAW, stop))
            blobs = list(cut(_WEBM, 700 + seed))
            group.create_task(record_until_stopped(service, blobs, webm, stop))


@pytest.mark.parametrize(
    ("bad_client", "min_sent_bytes"),
    [(NeverReads(), _MIN_SENT_BYTES), (LargestChunks(), _MIN_SENT_BYTES), (ReconnectLoop(), 0)],
    ids=["never reads", "chunks of 10 MB", "reconnects in a loop"],
)
async def test_a_bad_client_neither_affects_other_sessions_nor_leaks(
    start_service: Callable[..., Service], bad_client: BadClient, min_sent_bytes: int
) -> None:
    service = start_service(session_idle_timeout_seconds=1, max_concurrent_sessions=10_000)
    monitor, stop = ResourceMonitor(service), threading.Event()
    stop.set()
    await record_ordinary_sessions(service, stop)  # starts all threads and loads all libraries
    await monitor.wait_until_idle()
    idle_bytes = monitor.rss_bytes
    max_descriptors = monitor.descriptors + 1  # the monitor's own request has a connection

    stop.clear()
    monitor_task = asyncio.create_task(monitor.run())
    load_task = asyncio.create_task(asyncio.to_thread(bad_client.run, service.port, stop))
    record_task = asyncio.create_task(record_ordinary_sessions(service, stop))
    try:
        done = asyncio.create_task(
            asyncio.to_thread(bad_client.has_sent_enough.wait, TIMEOUT_SECONDS)
        )
        await asyncio.wait([done, load_task, record_task], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        await asyncio.gather(record_task, load_task)
    assert await done
    assert bad_client.sent_bytes >= min_sent_bytes, f"only {bad_client.sent_bytes} bytes were sent"
    monitor_task.cancel()
    assert monitor.peak_bytes - idle_bytes < _MAX_GROWTH_BYTES
    await monitor.wait_until_idle(max_descriptors)
    assert not [line for line in service.log if "Traceback" in line]
