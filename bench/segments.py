"""CPU of the service for a segment in a bucket, beside its chunks: SeaweedFS on the same machine.

Two services get the same chunks at the same time. One puts a segment each five seconds, the other
one puts none meanwhile.
"""

import os
import statistics
import tempfile
from pathlib import Path

import uvloop

from bench import hot_path_load
from bench.hot_path_load import Load
from bench.load_client import binary_frame
from bench.server_process import cpu_nanoseconds, run_service
from tests import engines

_SESSIONS = 200
_CHUNK_SECONDS = 0.1
_SEGMENT_SECONDS = 5
_NONE_SECONDS = 3600
_ROUNDS = 12


def main(sessions: int = _SESSIONS) -> None:
    os.environ.update(engines.CREDENTIALS)
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        tempfile.TemporaryDirectory() as store,
        engines.seaweedfs(Path(store)) as url,
    ):
        engines.client(url).create_bucket(Bucket=engines.BUCKET)
        uvloop.run(_main(folder, url, sessions))


def _environ(folder: str, url: str, segment_seconds: int) -> dict[str, str]:
    return {
        "AUDIO_STORAGE_PATH": f"{folder}/{segment_seconds}",
        "STORAGE_BACKEND": "s3",
        "S3_BUCKET": engines.BUCKET,
        "S3_PREFIX": f"{segment_seconds}/",
        "S3_ENDPOINT_URL": url,
        "SEGMENT_SECONDS": str(segment_seconds),
        "MAX_CONCURRENT_SESSIONS": "1000",
    }


async def _main(folder: str, url: str, sessions: int) -> None:
    chunk = binary_frame(bytes(3200))
    load = Load("16 kHz", sessions, "?sample_rate=16000", [chunk], _CHUNK_SECONDS)
    with (
        run_service(_environ(folder, url, _SEGMENT_SECONDS)) as (port, service),
        run_service(_environ(folder, url, _NONE_SECONDS)) as (other_port, other),
    ):
        connections = [
            await hot_path_load.connect(load, each, "/api/ws/audio", greetings=1)
            for each in (port, other_port)
        ]
        samples = await hot_path_load.sample(
            load,
            connections,
            _ROUNDS * _SEGMENT_SECONDS,
            lambda: [cpu_nanoseconds(each.pid) for each in (service, other)],
        )
        for each in (*connections[0], *connections[1]):
            each.close()
    costs = []
    for begin in range(0, len(samples) - _SEGMENT_SECONDS, _SEGMENT_SECONDS):
        first, last = samples[begin], samples[begin + _SEGMENT_SECONDS]
        extra = (last[0] - first[0]) - (last[1] - first[1])
        costs.append(extra / 1e6 / sessions)
    low, _, high = statistics.quantiles(costs, n=4)
    cost = statistics.mean(costs)  # digests are made with some segments
    print(f"{sessions} sessions of 16 kHz, a segment each {_SEGMENT_SECONDS} s")
    print(f"CPU for a segment: {cost:.2f} ms (quartiles {low:.2f} and {high:.2f})")
