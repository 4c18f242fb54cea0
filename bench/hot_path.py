"""CPU per acknowledged chunk: the service compared with a bare sink on uvicorn, in one run.

Both get the same chunks from the same client at the same time, so that other load on the machine
affects both alike. The streams never stop: a pause is a gap, which the service notes and syncs, and
the sink does not. All threads of the server count. ffmpeg processes do not count.
"""

import contextlib
import itertools
import statistics
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import psutil
import uvloop

from bench import hot_path_load, ratios
from bench.hot_path_load import Connection, Load
from bench.live_webm import blobs_of
from bench.load_client import binary_frame
from bench.server_process import cpu_nanoseconds, run_server, run_service
from bench.stream_formats import WEBM

_ROUNDS = 20
_WEBM_SECONDS = 300
_MAX_SESSIONS = 1000


def _pcm(size_bytes: int) -> bytes:
    return binary_frame((bytes(range(256)) * 16)[:size_bytes])


def _paced(sessions: int) -> Load:
    frames = [_pcm(1920)]
    name = f"{sessions} sessions, 1,920 B each 20 ms"
    return Load(name, sessions, "?sample_rate=48000", frames, 0.02)


def _ping_pong() -> Load:
    return Load("50 sessions, 4 KiB ping-pong", 50, "", [_pcm(4096)])


def _webm() -> Load:
    """Return a load of live streams in pieces of 250 ms, long enough for all rounds."""
    header, *frames = [blob.frame for blob in blobs_of(WEBM.encode(_WEBM_SECONDS))]
    return Load("50 sessions, WebM each 250 ms", 50, f"?{WEBM.query}", frames, 0.25, header)


_LOADS: tuple[Callable[[], Load], ...] = (
    partial(_paced, 50),
    partial(_paced, 150),
    _ping_pong,
    _webm,
)


class Server(NamedTuple):
    """A measured server with its connections."""

    process: psutil.Process
    connections: list[Connection]

    def spent(self) -> tuple[int, int]:
        """Return the nanoseconds of CPU so far, and the number of chunks."""
        chunks = sum(connection.sent for connection in self.connections)
        return cpu_nanoseconds(self.process.pid), chunks


def main(rounds: int = _ROUNDS, *numbers: int) -> None:
    """Measure all loads, or those with these ``numbers``."""
    chosen = [_LOADS[number - 1] for number in numbers] or _LOADS
    uvloop.run(_main(rounds, [load() for load in chosen]))


async def _main(rounds: int, chosen: Sequence[Load]) -> None:
    print(f"{'load':34}{'service µs':>11}{'sink µs':>9}{'ratio':>7}{'quartiles':>14}")
    for load in chosen:
        service, sink = await _measure(load, rounds)
        # What both took in the same second: the machine changes meanwhile.
        pairs = [ours / theirs for ours, theirs in zip(service, sink, strict=True)]
        low, ratio, high = statistics.quantiles(pairs, n=4)
        print(
            f"{load.name:34}{statistics.median(service):11.1f}"
            f"{statistics.median(sink):9.1f}{ratio:7.2f}{low:8.2f}{high:6.2f}",
            flush=True,
        )
        ratios.note(f"hot path: {load.name}", ratio)


async def _measure(load: Load, rounds: int) -> list[list[float]]:
    """Return the microseconds of CPU for each chunk in each round: of the service, of the sink."""
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        run_server("-m", "bench.bare_sink") as (sink_port, sink),
        run_service(
            {"AUDIO_STORAGE_PATH": folder, "MAX_CONCURRENT_SESSIONS": str(_MAX_SESSIONS)}
        ) as (port, service),
    ):
        servers = (
            Server(service, await hot_path_load.connect(load, port, "/api/ws/audio", greetings=1)),
            Server(sink, await hot_path_load.connect(load, sink_port, "/", greetings=0)),
        )
        samples = await hot_path_load.sample(
            load,
            [server.connections for server in servers],
            rounds,
            lambda: [server.spent() for server in servers],
        )
        with contextlib.suppress(ConnectionError):
            for server in servers:
                for connection in server.connections:
                    connection.close()
        return [_costs(of_server) for of_server in zip(*samples, strict=True)]


def _costs(samples: Sequence[tuple[int, int]]) -> list[float]:
    """Return the microseconds for each chunk in each round."""
    return [
        (after[0] - before[0]) / 1000 / (after[1] - before[1])
        for before, after in itertools.pairwise(samples)
    ]
