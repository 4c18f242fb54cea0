"""P6, bounded: whoever means harm from many connections takes nothing from a recording."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from tests.audio import cut, decode, encode, pcm, speech
from tests.bad_clients import BadClient, NeverReads
from tests.bad_handshakes import Garbage, StalledHandshakes
from tests.beside import DEADLINE_SECONDS, Footprint, record
from tests.service import Service

_WEBM = encode(
    speech(), "-c:a", "libopus", "-f", "webm", "-live", "1", "-cluster_time_limit", "100"
)
_PCM = pcm(48_000)
_CHUNK_SECONDS = 0.02
_CHUNK_BYTES = int(48_000 * _CHUNK_SECONDS) * 2

_HANDSHAKE_TIMEOUT_SECONDS = 5

# What the service may grow by, over what it takes for the two recordings alone, and hold in all:
# a thousand requests that have not arrived, or two hundred sessions.
_MOST_GROWTH_BYTES = 60_000_000
_MOST_DESCRIPTORS = 1200


async def live_sessions(service: Service, over: threading.Event) -> None:
    """One of raw PCM and one of WebM, as from a microphone."""
    chunks = [_PCM[start : start + _CHUNK_BYTES] for start in range(0, len(_PCM), _CHUNK_BYTES)]
    webm = decode(_WEBM, sample_rate=48000)
    async with asyncio.timeout(DEADLINE_SECONDS), asyncio.TaskGroup() as group:
        group.create_task(record(service, chunks, _PCM, over, _CHUNK_SECONDS))
        group.create_task(record(service, list(cut(_WEBM, 700)), webm, over, _CHUNK_SECONDS))


@pytest.mark.parametrize(
    "bad",
    [StalledHandshakes(), Garbage(), NeverReads(200, enough_bytes=400_000_000)],
    ids=["10,000 stall", "1,000 send garbage", "200 never read"],
)
async def test_hostile_connections_take_nothing_from_a_live_recording_and_leave_nothing(
    start_service: Callable[..., Service], bad: BadClient
) -> None:
    service = start_service(
        handshake_timeout_seconds=_HANDSHAKE_TIMEOUT_SECONDS,
        session_idle_timeout_seconds=1,
        max_concurrent_sessions=10_000,
    )
    footprint, over = Footprint(service), threading.Event()
    over.set()
    await live_sessions(service, over)  # threads and libraries are there after that
    await footprint.quiet()
    quiet_bytes = footprint.rss_bytes
    most_descriptors = footprint.descriptors + 1  # whoever asks has a connection of its own

    over.clear()
    watching = asyncio.create_task(footprint.watch())
    misbehaving = asyncio.create_task(asyncio.to_thread(bad.run, service.port, over))
    recording = asyncio.create_task(live_sessions(service, over))
    try:
        done = asyncio.create_task(asyncio.to_thread(bad.did_its_worst.wait, DEADLINE_SECONDS))
        await asyncio.wait([done, misbehaving, recording], return_when=asyncio.FIRST_COMPLETED)
    finally:
        over.set()
        await asyncio.gather(recording, misbehaving)
    assert await done
    watching.cancel()
    assert footprint.peak_bytes - quiet_bytes < _MOST_GROWTH_BYTES
    assert footprint.most_descriptors < _MOST_DESCRIPTORS
    await footprint.quiet(most_descriptors)
    assert not [line for line in service.log if "Traceback" in line]
