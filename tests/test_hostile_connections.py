"""P6, bounded: hostile clients with many connections do not affect a recording."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from tests.audio import cut, decode, encode, pcm, speech
from tests.background_load import TIMEOUT_SECONDS, ResourceMonitor, record_until_stopped
from tests.bad_clients import BadClient, NeverReads
from tests.bad_handshakes import InvalidRequests, StalledHandshakes
from tests.service import Service

pytestmark = [pytest.mark.long, pytest.mark.load]

_WEBM = encode(
    speech(), "-c:a", "libopus", "-f", "webm", "-live", "1", "-cluster_time_limit", "100"
)
_PCM = pcm(48_000)
_CHUNK_SECONDS = 0.02
_CHUNK_BYTES = int(48_000 * _CHUNK_SECONDS) * 2

_HANDSHAKE_TIMEOUT_SECONDS = 5

# The memory that hostile connections may cost, in addition to that of two recordings, and the
# descriptors in all: a thousand incomplete requests, or two hundred sessions.
_MAX_GROWTH_BYTES = 60_000_000
_MAX_DESCRIPTORS = 1200


async def record_live_sessions(service: Service, stop: threading.Event) -> None:
    """Record one session of raw PCM and one of WebM at live pace."""
    chunks = [_PCM[start : start + _CHUNK_BYTES] for start in range(0, len(_PCM), _CHUNK_BYTES)]
    webm = decode(_WEBM, sample_rate=48000)
    async with asyncio.timeout(TIMEOUT_SECONDS), asyncio.TaskGroup() as group:
        group.create_task(record_until_stopped(service, chunks, _PCM, stop, _CHUNK_SECONDS))
        group.create_task(
            record_until_stopped(service, list(cut(_WEBM, 700)), webm, stop, _CHUNK_SECONDS)
        )


@pytest.mark.parametrize(
    "bad_client",
    [StalledHandshakes(), InvalidRequests(), NeverReads(200, target_bytes=400_000_000)],
    ids=["10,000 stall", "1,000 send garbage", "200 never read"],
)
async def test_hostile_connections_neither_affect_a_recording_nor_leak(
    start_service: Callable[..., Service], bad_client: BadClient
) -> None:
    service = start_service(
        handshake_timeout_seconds=_HANDSHAKE_TIMEOUT_SECONDS,
        session_idle_timeout_seconds=1,
        max_concurrent_sessions=10_000,
    )
    monitor, stop = ResourceMonitor(service), threading.Event()
    stop.set()
    await record_live_sessions(service, stop)  # starts all threads and loads all libraries
    await monitor.wait_until_idle()
    idle_bytes = monitor.rss_bytes
    max_descriptors = monitor.descriptors + 1  # the monitor's own request has a connection

    stop.clear()
    monitor_task = asyncio.create_task(monitor.run())
    load_task = asyncio.create_task(asyncio.to_thread(bad_client.run, service.port, stop))
    record_task = asyncio.create_task(record_live_sessions(service, stop))
    try:
        done = asyncio.create_task(
            asyncio.to_thread(bad_client.has_sent_enough.wait, TIMEOUT_SECONDS)
        )
        await asyncio.wait([done, load_task, record_task], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        await asyncio.gather(record_task, load_task)
    assert await done
    monitor_task.cancel()
    assert monitor.peak_bytes - idle_bytes < _MAX_GROWTH_BYTES
    assert monitor.peak_descriptors < _MAX_DESCRIPTORS
    await monitor.wait_until_idle(max_descriptors)
    assert not [line for line in service.log if "Traceback" in line]
