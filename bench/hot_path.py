"""CPU per acked chunk: the service beside a bare ASGI sink on the same uvicorn.

Both get the same chunks from the same client in turn, in many short rounds, so that
whatever else the machine does hits both. All threads of the server count.
"""

import asyncio
import statistics
import tempfile
from collections.abc import Sequence

import psutil

from bench.servers import cpu_nanoseconds, server
from bench.websocket_load import LoadClient, binary_frame

_CONNECTIONS = 50
_CHUNKS_PER_ROUND = 100
_ROUNDS = 60
_CHUNK = bytes(range(256)) * 16


def main() -> None:
    asyncio.run(_main())


async def _main() -> None:
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        server("-m", "bench.bare_sink") as (sink_port, sink),
        server("-m", "api.cli", "serve", "--port", "0", environ={"AUDIO_STORAGE_PATH": folder}) as (
            service_port,
            service,
        ),
    ):
        sink_clients = await _connect(sink_port, "/")
        service_clients = await _connect(service_port, "/api/ws/audio")
        for client in service_clients:
            await client.receive()
        figures = [
            (
                await _cpu_us_per_chunk(service, service_clients),
                await _cpu_us_per_chunk(sink, sink_clients),
            )
            for _ in range(_ROUNDS)
        ]
        for client in (*sink_clients, *service_clients):
            client.close()
    print(
        f"{_CONNECTIONS} connections, {len(_CHUNK)} bytes a chunk: CPU µs of the server per chunk"
    )
    ours, bare = zip(*figures, strict=True)
    for name, figure in (("median", statistics.median), ("quietest quarter", _quiet)):
        print(
            f"  {name:17} service {figure(ours):5.1f}  bare sink {figure(bare):5.1f}"
            f"  ratio {figure(ours) / figure(bare):.2f}"
        )


def _quiet(values: Sequence[float]) -> float:
    """The mean of the lowest quarter: what it takes when the machine does nothing else."""
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
