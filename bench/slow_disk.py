"""500 live sessions on a disk whose every sync takes 5 ms more: acknowledgements and durability.

The service runs in this program's child, where ``os.fdatasync`` and ``os.fsync`` sleep first. The
acknowledgements say how many chunks are persisted: the lag of a chunk is the time from the
sending to the first acknowledgement that counts it as persisted.
"""

import asyncio
import importlib
import os
import re
import tempfile
import time
from collections import deque
from collections.abc import Callable
from unittest.mock import patch

import uvloop

from bench.load_client import LoadClient, binary_frame
from bench.server_process import run_server

_SESSIONS = 500
_SECONDS = 20.0
_SYNC_SECONDS = 0.005
_INTERVAL_SECONDS = 0.1
_CHUNK = binary_frame(bytes(3200))  # 100 ms of 16 kHz
_PERSISTED = re.compile(rb'"persisted_chunk_count": ?(\d+)')


def serve() -> None:
    """Run the service on the slow disk."""
    with patch.multiple(os, fdatasync=_slow(os.fdatasync), fsync=_slow(os.fsync)):
        serve_command = importlib.import_module("api.cli.serve")  # takes them when it is imported
        serve_command.serve(["--port", "0"])


def _slow(sync: Callable[[int], None]) -> Callable[[int], None]:
    def slow(fd: int) -> None:
        time.sleep(_SYNC_SECONDS)
        sync(fd)

    return slow


def main(sessions: int = _SESSIONS) -> None:
    uvloop.run(_main(sessions))


async def _main(sessions: int) -> None:
    delays: list[float] = []
    lags: list[float] = []
    with tempfile.TemporaryDirectory(dir=".") as folder:
        environ = {"AUDIO_STORAGE_PATH": folder, "MAX_CONCURRENT_SESSIONS": str(2 * sessions)}
        with run_server("-m", "bench.slow_disk", environ=environ) as (port, _):
            path = "/api/ws/audio?sample_rate=16000"
            clients = [await LoadClient.connect(port, path) for _ in range(sessions)]
            for client in clients:
                await client.receive()
            began = asyncio.get_running_loop().time()
            await asyncio.gather(
                *(
                    _stream(client, began + _INTERVAL_SECONDS * number / sessions, delays, lags)
                    for number, client in enumerate(clients)
                )
            )
            for client in clients:
                client.close()
    for name, values in (("acknowledgement", delays), ("persisted", lags)):
        values.sort()
        p50, p99 = (values[len(values) * percent // 100] * 1000 for percent in (50, 99))
        print(f"{sessions} sessions, {name}: median {p50:.1f} ms, 99th percentile {p99:.1f} ms")


async def _stream(client: LoadClient, due: float, delays: list[float], lags: list[float]) -> None:
    now = asyncio.get_running_loop().time
    end = due + _SECONDS
    unpersisted: deque[tuple[int, float]] = deque()
    count = 0
    while due < end:
        await asyncio.sleep(due - now())
        sent_at = now()
        answer = await client.exchange(_CHUNK)
        count += 1
        delays.append(now() - sent_at)
        unpersisted.append((count, sent_at))
        match = _PERSISTED.search(answer)
        assert match, answer
        while unpersisted and unpersisted[0][0] <= int(match[1]):
            lags.append(now() - unpersisted.popleft()[1])
        due += _INTERVAL_SECONDS


if __name__ == "__main__":
    serve()
