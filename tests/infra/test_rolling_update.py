"""A rolling update of the chart's nodes, rehearsed without Kubernetes, loses no audio."""

import asyncio
import hashlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sercuescribe_client import Client, Session
from tests import engines
from tests.audio import cut, pcm
from tests.infra.chart import one, render, variables
from tests.infra.kubelet import Balancer, Pod
from tests.ports import reserve_ports

_KEY, _SECRET = "ssk_" + "k" * 43, "s" * 32
_RECORDERS = 6
_CHUNK_SECONDS = 0.02  # the pace of a live recorder
_CHUNK_BYTES = 1_920  # 20 ms of 48 kHz mono


@asynccontextmanager
async def nodes(
    folder: Path, settings: dict[str, str], ports: list[int]
) -> AsyncIterator[list[Pod]]:
    """Start a node of the chart for each port."""
    keys = folder / "keys"
    keys.write_text(f"{hashlib.sha256(_KEY.encode()).hexdigest()} alice record,read\n")
    objects = render({"settings": settings, "replicas": len(ports)})
    spec = one(objects, "StatefulSet")["spec"]["template"]["spec"]
    pods = []
    for number, port in enumerate(ports):
        environment = {
            name: value for name, value in variables(objects).items() if isinstance(value, str)
        }
        # What the cluster gives to a pod: its address, its volumes, its secrets.
        environment["NODE_URL"] = f"http://127.0.0.1:{port}"
        environment["AUDIO_STORAGE_PATH"] = str(folder / f"spool-{number}")
        environment["API_KEYS_FILE"] = str(keys)
        environment["SIGNING_SECRET"] = _SECRET
        pods.append(Pod(spec, port, environment))
    try:
        await asyncio.gather(*(pod.start() for pod in pods))
        yield pods
    finally:
        for pod in pods:
            pod.kill()


async def longest_gap_seconds(session: Session) -> float:
    """Return the longest time without a new acknowledgement, until the session ends."""
    longest, acked, last = 0.0, 0, time.monotonic()
    async for progress in session:
        now = time.monotonic()
        if progress.acked > acked:
            longest, acked, last = max(longest, now - last), progress.acked, now
    return longest


@pytest.mark.long
async def test_a_rolling_update_of_three_nodes_loses_no_audio(
    tmp_path: Path,
    seaweedfs_url: str,
    objects: Callable[[], dict[str, bytes]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = {
        "S3_BUCKET": engines.BUCKET,
        "S3_PREFIX": f"{tmp_path.name}/",
        "S3_ENDPOINT_URL": seaweedfs_url,
        "TRUSTED_PROXIES": "127.0.0.0/8",
    }
    ports = reserve_ports(3)
    pieces = list(cut(pcm(10_000_000), _CHUNK_BYTES))
    updated = asyncio.Event()

    async def record() -> tuple[str, int, float]:
        """Send at the pace of real time until the update ends; return id, count, longest gap."""
        sent = 0
        async with (
            Client(f"http://127.0.0.1:{balancer.port}", key=_KEY) as client,
            client.create(sample_rate=48000, format="pcm_s16le") as session,
        ):
            watching = asyncio.create_task(longest_gap_seconds(session))
            while not updated.is_set():
                await session.send(pieces[sent])
                sent += 1
                await asyncio.sleep(_CHUNK_SECONDS)
            await session.close()
            return session.session_id, sent, await watching

    async with nodes(tmp_path, settings, ports) as pods:
        async with Balancer(tmp_path, ports) as balancer:
            recording = [asyncio.create_task(record()) for _ in range(_RECORDERS)]
            for number in reversed(range(len(pods))):  # as a StatefulSet does
                balancer.remove_endpoint(number)
                assert await pods[number].stop() == 0
                await pods[number].start()
                balancer.add_endpoint(number)
            updated.set()
            async with asyncio.timeout(60):
                ended = await asyncio.gather(*recording)
        assert await asyncio.gather(*(pod.stop() for pod in pods)) == [0, 0, 0]
    stored = objects()
    for session_id, count, _ in ended:
        assert stored[f"{session_id}.wav"][80:] == b"".join(pieces[:count])
    gaps = sorted(round(gap, 1) for _, _, gap in ended)
    with capsys.disabled():
        sys.stdout.write(f"\nlongest time without an acknowledgement: {gaps[-1]} s of {gaps}\n")
