"""CPU per acknowledged chunk: the service compared with a bare sink on uvicorn, in one run.

Both get the same chunks from the same client in turn, in many short rounds, so that other load on
the machine affects both. All threads of the server count, and what it does until its next round,
such as syncing. ffmpeg processes do not count.
"""

import contextlib
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

_ROUNDS = 40
_ROUND_SECONDS = 0.5
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
    """A measured server with its connections; ``us`` gets the CPU per chunk of each round."""

    process: psutil.Process
    connections: list[Connection]
    us: list[float]


def main(rounds: int = _ROUNDS, *numbers: int) -> None:
    """Measure all loads, or those with these ``numbers``."""
    chosen = [_LOADS[number - 1] for number in numbers] or _LOADS
    uvloop.run(_main(rounds, [load() for load in chosen]))


async def _main(rounds: int, chosen: Sequence[Load]) -> None:
    print(f"{'load':34}{'service µs':>11}{'sink µs':>9}{'ratio':>7}{'quartiles':>14}")
    for load in chosen:
        service, sink = await _measure(load, rounds)
        # Rounds of service and sink that follow each other: the machine changes meanwhile.
        pairs = [ours / theirs for ours, theirs in zip(service.us, sink.us, strict=True)]
        low, ratio, high = statistics.quantiles(pairs, n=4)
        print(
            f"{load.name:34}{statistics.median(service.us):11.1f}"
            f"{statistics.median(sink.us):9.1f}{ratio:7.2f}{low:8.2f}{high:6.2f}",
            flush=True,
        )
        ratios.note(f"hot path: {load.name}", ratio)


async def _measure(load: Load, rounds: int) -> tuple[Server, Server]:
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        run_server("-m", "bench.bare_sink") as (sink_port, sink),
        run_service(
            {"AUDIO_STORAGE_PATH": folder, "MAX_CONCURRENT_SESSIONS": str(_MAX_SESSIONS)}
        ) as (port, service),
    ):
        servers = (
            Server(
                service,
                await hot_path_load.connect(load, port, "/api/ws/audio", greetings=1),
                [],
            ),
            Server(sink, await hot_path_load.connect(load, sink_port, "/", greetings=0), []),
        )
        for server in servers:  # warm up
            await hot_path_load.run(load, server.connections, _ROUND_SECONDS)
        spent = [cpu_nanoseconds(server.process.pid) for server in servers]
        for _ in range(rounds):
            chunks = [
                await hot_path_load.run(load, server.connections, _ROUND_SECONDS)
                for server in servers
            ]
            for number, server in enumerate(servers):
                now = cpu_nanoseconds(server.process.pid)
                server.us.append((now - spent[number]) / 1000 / chunks[number])
                spent[number] = now
        with contextlib.suppress(ConnectionError):
            for server in servers:
                for connection in server.connections:
                    connection.close()
        return servers
