"""CPU per acknowledged chunk: the service compared with a minimal ASGI app on the same uvicorn.

Both get the same chunks from the same client in turn, in many short rounds, so that other load
on the machine affects both. All threads of the server count.
"""

import asyncio
import statistics
import tempfile
from collections.abc import Sequence

import psutil

from bench.load_client import LoadClient, binary_frame
from bench.server_process import cpu_nanoseconds, run_server, run_service

_CONNECTIONS = 50
_CHUNKS_PER_ROUND = 100
_ROUNDS = 60
_CHUNK = bytes(range(256)) * 16


def main() -> None:
    asyncio.run(_main())


async def _main() -> None:
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        run_server("-m", "bench.baseline_app") as (baseline_port, baseline),
        run_service({"AUDIO_STORAGE_PATH": folder}) as (
            service_port,
            service,
        ),
    ):
        baseline_clients = await _connect(baseline_port, "/")
        service_clients = await _connect(service_port, "/api/ws/audio")
        for client in service_clients:
            await client.receive()
        figures = [
            (
                await _cpu_us_per_chunk(service, service_clients),
                await _cpu_us_per_chunk(baseline, baseline_clients),
            )
            for _ in range(_ROUNDS)
        ]
        for client in (*baseline_clients, *service_clients):
            client.close()
    print(
        f"{_CONNECTIONS} connections, {len(_CHUNK)} bytes a chunk: CPU µs of the server per chunk"
    )
    service_us, baseline_us = zip(*figures, strict=True)
    for name, mean in (("median", statistics.median), ("lowest quarter", _lowest_quarter_mean)):
        print(
            f"  {name:15} service {mean(service_us):5.1f}  baseline {mean(baseline_us):5.1f}"
            f"  ratio {mean(service_us) / mean(baseline_us):.2f}"
        )


def _lowest_quarter_mean(values: Sequence[float]) -> float:
    """Return the mean of the lowest quarter: the cost on an otherwise idle machine."""
    lowest = sorted(values)[: len(values) // 4]
    return statistics.mean(lowest)


async def _connect(port: int, path: str) -> list[LoadClient]:
    return [await LoadClient.connect(port, path) for _ in range(_CONNECTIONS)]


async def _cpu_us_per_chunk(process: psutil.Process, clients: list[LoadClient]) -> float:
    frame = binary_frame(_CHUNK)

    async def stream(client: LoadClient) -> None:
        for _ in range(_CHUNKS_PER_ROUND):
            await client.exchange(frame)

    before = cpu_nanoseconds(process.pid)
    await asyncio.gather(*(stream(client) for client in clients))
    spent = cpu_nanoseconds(process.pid) - before
    return spent / 1000 / (_CHUNKS_PER_ROUND * len(clients))
