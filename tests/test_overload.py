"""P6, bounded: a client that asks too much takes nothing from the others, and leaves nothing."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from tests.audio import cut, cut_anywhere, decode, encode, pcm, speech
from tests.bad_clients import BadClient, ComesAndGoes, LargestChunks, NeverReads
from tests.beside import DEADLINE_SECONDS, Footprint, record
from tests.service import Service

_WEBM = encode(
    speech(), "-c:a", "libopus", "-f", "webm", "-live", "1", "-cluster_time_limit", "100"
)
_RAW = pcm(100_000)

# What the service may grow by beside a bad client, over what it takes for ordinary sessions.
_MOST_GROWTH_BYTES = 100_000_000
_MUCH_BYTES = 2 * _MOST_GROWTH_BYTES


async def ordinary_sessions(service: Service, over: threading.Event) -> None:
    """Two of raw PCM and two of WebM at any time."""
    webm = decode(_WEBM, sample_rate=48000)
    async with asyncio.timeout(DEADLINE_SECONDS), asyncio.TaskGroup() as group:
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
        done = asyncio.create_task(asyncio.to_thread(bad.did_its_worst.wait, DEADLINE_SECONDS))
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
