"""Record with release 0.2.0 and keep what it has left when it was killed.

    git archive TAG | tar -x -C OLD
    PYTHONPATH=. python tests/data/release-0.2.0/make.py OLD

makes the archives beside this file: `volume.tar.xz`, a folder of recordings; `bucket.tar.xz`, the
objects of a bucket as files; `spool.tar.xz`, the spool of the node that wrote them. Each has a
completed session, an active one of raw PCM, and an active one in the middle of a WebM file.
`sessions.json` has their ids. tests/test_upgrade.py starts this release on them.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import requests
from websockets.asyncio.client import connect

from tests import engines
from tests.audio import cut, pcm

HERE = Path(__file__).parent
WEBM = HERE.parent / "browsers" / "chromium-250ms.webm"
RATE = 48000
PCM_CHUNKS = list(cut(pcm(8000, seed=7), 1600))
WEBM_CHUNKS = list(cut(WEBM.read_bytes(), 1500))
PERSISTED, SENT = 3, 5  # chunks of each active session; with a bucket the others are in the spool


class Send(Protocol):
    """Send chunks, and persist them with ``flush``."""

    async def __call__(self, chunks: list[bytes], *, flush: bool) -> None: ...


async def main(old: Path) -> None:
    ids = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        ids["volume"] = await recorded(old, folder / "volume", {})
        pack(folder / "volume", "volume")
        (folder / "engine").mkdir()
        with engines.moto(folder / "engine") as url:
            engines.client(url).create_bucket(Bucket=engines.BUCKET)
            variables = {
                **engines.CREDENTIALS,
                "STORAGE_BACKEND": "s3",
                "S3_BUCKET": engines.BUCKET,
                "S3_ENDPOINT_URL": url,
                "SEGMENT_SECONDS": "3600",
            }
            ids["bucket"] = await recorded(old, folder / "spool", variables)
            for key, body in engines.objects(url, "").items():
                path = folder / "bucket" / key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(body)
            metadata = kept_metadata(url)
        pack(folder / "spool", "spool")
        pack(folder / "bucket", "bucket")
    text = json.dumps({**ids, "metadata": metadata}, indent=1, sort_keys=True)
    (HERE / "sessions.json").write_text(text + "\n")


async def recorded(old: Path, folder: Path, variables: dict[str, str]) -> dict[str, str]:
    """Run 0.2.0 on a folder, record, and kill it. Return the ids of the sessions."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "api.cli", "serve", "--port", str(port)],
        cwd=old,
        env={**os.environ, **variables, "PYTHONPATH": str(old), "AUDIO_STORAGE_PATH": str(folder)},
    )
    try:
        url = f"http://127.0.0.1:{port}"
        await started(url)
        ids = {}
        async with session(url, sample_rate=RATE, user_id="alice") as (ids["completed"], send):
            await send(PCM_CHUNKS, flush=True)
        requests.post(f"{url}/api/audio/sessions/{ids['completed']}/close", timeout=10)
        for name, chunks in (("pcm", PCM_CHUNKS), ("webm", WEBM_CHUNKS)):
            async with session(url, sample_rate=RATE) as (ids[name], send):
                await send(chunks[:PERSISTED], flush=True)
                await send(chunks[PERSISTED:SENT], flush=False)
                if name == "webm":
                    process.send_signal(signal.SIGKILL)
        return ids
    finally:
        process.kill()
        process.wait()


async def started(url: str) -> None:
    for _ in range(300):
        with contextlib.suppress(requests.ConnectionError):
            requests.get(f"{url}/health", timeout=5)
            return
        await asyncio.sleep(0.1)
    raise TimeoutError(url)


@contextlib.asynccontextmanager
async def session(url: str, **query: object) -> AsyncIterator[tuple[str, Send]]:
    options = "&".join(f"{name}={value}" for name, value in query.items())
    socket_url = f"ws{url.removeprefix('http')}/api/ws/audio?{options}"
    with contextlib.suppress(Exception):  # the service is killed meanwhile
        async with connect(socket_url) as websocket:

            async def send(chunks: list[bytes], *, flush: bool) -> None:
                for chunk in chunks:
                    await websocket.send(chunk)
                    await websocket.recv()
                if flush:
                    await websocket.send('{"type": "control", "action": "flush"}')
                    await websocket.recv()

            yield json.loads(await websocket.recv())["session_id"], send


def kept_metadata(url: str) -> dict[str, dict[str, str]]:
    """Return the metadata of each object that has some: segments have their checkpoints there."""
    client = engines.client(url)
    found = {}
    for key in engines.objects(url, ""):
        if metadata := client.head_object(Bucket=engines.BUCKET, Key=key)["Metadata"]:
            found[key] = metadata
    return found


def pack(folder: Path, name: str) -> None:
    with tarfile.open(HERE / f"{name}.tar.xz", "w:xz") as archive:
        archive.add(folder, ".")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).absolute()))
