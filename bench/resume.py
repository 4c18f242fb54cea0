"""The time from a dropped connection to the next greeting, on the same node."""

import asyncio
import json
import statistics
import tempfile
import time

from websockets.asyncio.client import connect

from bench.server_process import run_service

_ROUNDS = 200
_CHUNK = bytes(3200)  # 100 ms of 16 kHz mono
_MAX_MEDIAN_SECONDS = 0.05


def main(rounds: int = _ROUNDS) -> None:
    asyncio.run(_main(rounds))


async def _main(rounds: int) -> None:
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        run_service({"AUDIO_STORAGE_PATH": folder}) as (
            port,
            _,
        ),
    ):
        for name, query in (("PCM", "format=pcm_s16le"), ("AAC", "format=aac")):
            seconds = await _resume_seconds(f"ws://127.0.0.1:{port}/api/ws/audio", query, rounds)
            median, p99 = statistics.median(seconds), statistics.quantiles(seconds, n=100)[98]
            verdict = "within" if median <= _MAX_MEDIAN_SECONDS else "MISSED"
            print(f"{name}: {rounds} resumes, ms: median {median * 1000:.1f}, p99 {p99 * 1000:.1f}"
                  f" ({verdict} {_MAX_MEDIAN_SECONDS * 1000:.0f} ms at the median)")  # fmt: skip


async def _resume_seconds(url: str, query: str, rounds: int) -> list[float]:

    seconds = []
    async with connect(f"{url}?sample_rate=16000&{query}") as socket:
        session_id = json.loads(await socket.recv())["session_id"]
        await socket.send(_CHUNK)
        await socket.recv()
        socket.transport.abort()
    for _ in range(rounds):
        began = time.perf_counter()
        async with connect(f"{url}/{session_id}?resume=true") as socket:
            await socket.recv()
            seconds.append(time.perf_counter() - began)
            await socket.send(_CHUNK)
            await socket.recv()
            socket.transport.abort()
    return seconds
