"""Twenty live sessions during an outage of the store: unpersisted audio, recovery, exactness.

The store is SeaweedFS behind a proxy that refuses connections for the time of the outage.
Every session sends 100 ms of 48 kHz PCM each 100 ms before, during and after the outage.
"""

import asyncio
import os
import tempfile
import time
from pathlib import Path

from tests import engines
from tests.audio import pcm
from tests.faults import FaultyStore
from tests.service import Client, Service

_SESSIONS = 20
_SECONDS = 60
_SAMPLE_RATE = 48000
_CHUNK_SECONDS = 0.1
_MARGIN_SECONDS = 10


def main(seconds: int = _SECONDS) -> None:
    os.environ.update(engines.CREDENTIALS)
    with tempfile.TemporaryDirectory() as folder, engines.seaweedfs(Path(folder)) as url:
        engines.client(url).create_bucket(Bucket="rec")
        store = FaultyStore(url)
        service = Service(
            Path(folder) / "spool",
            storage_backend="s3",
            s3_bucket="rec",
            s3_endpoint_url=store.url,
            max_concurrent_sessions=_SESSIONS,
        ).start()
        try:
            asyncio.run(_record(service, store, seconds))
        finally:
            service.stop()
            store.close()


async def _record(service: Service, store: FaultyStore, seconds: int) -> None:
    stop = asyncio.Event()
    stream_tasks = [asyncio.create_task(_stream_live(service, n, stop)) for n in range(_SESSIONS)]
    await asyncio.sleep(_MARGIN_SECONDS)
    await asyncio.to_thread(store.die)
    await asyncio.sleep(seconds)
    health = (await asyncio.to_thread(service.get, "/health")).json()
    await asyncio.to_thread(store.revive)
    began = time.monotonic()
    while await _unpersisted_seconds(service) > _MARGIN_SECONDS:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    recovery_seconds = time.monotonic() - began
    await asyncio.sleep(_MARGIN_SECONDS)
    stop.set()
    streamed = await asyncio.gather(*stream_tasks)
    exact = [await asyncio.to_thread(_is_exact, service, *each) for each in streamed]
    print(f"store outage of {seconds} s with {_SESSIONS} live sessions")
    print(f"unpersisted at the end of the outage: {health['unpersisted_bytes'] / 1e6:.1f} MB,")
    print(f"oldest unpersisted audio: {health['unpersisted_seconds']:.1f} s")
    print(f"caught up {recovery_seconds:.1f} s after the outage")
    print(f"exact: {sum(exact)} of {len(exact)} recordings")
    if not all(exact):
        raise SystemExit("not exact")


async def _unpersisted_seconds(service: Service) -> float:
    health = await asyncio.to_thread(service.get, "/health")
    return float(health.json()["unpersisted_seconds"])


async def _stream_live(
    service: Service, number: int, stop: asyncio.Event
) -> tuple[str, bytes, int]:
    """Stream one session; return its id, its chunk, and how often the chunk was acknowledged."""
    chunk = pcm(int(_SAMPLE_RATE * _CHUNK_SECONDS), seed=number)
    async with service.session(sample_rate=_SAMPLE_RATE) as client:
        began, chunks = time.monotonic(), 0
        while not stop.is_set():
            chunks += 1
            await asyncio.sleep(max(0.0, began + chunks * _CHUNK_SECONDS - time.monotonic()))
            await _send_acknowledged(client, chunk, chunks)
        await client.close_session()
        return client.session_id, chunk, chunks


async def _send_acknowledged(client: Client, chunk: bytes, chunks: int) -> None:
    answer = await client.send(chunk)
    assert (answer["type"], answer["chunk_count"]) == ("chunk", chunks), answer


def _is_exact(service: Service, session_id: str, chunk: bytes, chunks: int) -> bool:
    answer = service.get(f"/api/audio/sessions/{session_id}/audio")  # redirects to the store
    return bool(answer.content[80:] == chunk * chunks)
