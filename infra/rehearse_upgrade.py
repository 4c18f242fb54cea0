"""Rehearse an upgrade from another release and the way back, while clients record.

    PYTHONPATH=. .venv/bin/python infra/rehearse_upgrade.py OLD [NEW]

OLD and NEW are a tag or commit of this repository, a folder with the sources of a release, or its
wheel; NEW is this checkout by default. Both run with the packages of `.venv`. On a volume, one
service is replaced by the other release and then by the old one again. On a bucket (SeaweedFS),
three nodes are replaced one by one, and back. Meanwhile clients record PCM at the pace of a live
recorder, and resume. The script fails unless every recording is exact, and unless the old release
leaves a session of a newer format alone.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import requests

from sercuescribe_client import Client
from tests import engines
from tests.audio import cut, pcm
from tests.ports import reserve_ports

_ROOT = Path(__file__).parents[1]
_RECORDERS = 4
_CHUNK_SECONDS = 0.02  # the pace of a live recorder
_CHUNK_BYTES = 1_920  # 20 ms of 48 kHz mono
_MAX_SECONDS = 60.0
_LEASE_SECONDS = 5
_PIECES = list(cut(pcm(8_000_000), _CHUNK_BYTES))


class Result(NamedTuple):
    """What one client has recorded."""

    session_id: str
    chunks: int
    longest_gap_seconds: float


class Node:
    """A process of the service, whose release can be replaced."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        (self.port,) = reserve_ports(1)
        self._variables = {
            **os.environ,
            "AUDIO_STORAGE_PATH": str(folder),
            "NODE_URL": self.url,
            "MAX_HANDSHAKES_PER_MINUTE": "0",
            **variables,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, release: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "serve", "--port", str(self.port)],
            cwd=release,
            env={**self._variables, "PYTHONPATH": str(release)},
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _MAX_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(requests.ConnectionError, requests.Timeout):
                if (await asyncio.to_thread(requests.get, f"{self.url}/health", timeout=5)).ok:
                    return
            await asyncio.sleep(0.1)
        raise TimeoutError(f"{release} did not start")

    async def stop(self) -> None:
        """Stop the process in order; its exit code must be 0."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(self._process.wait, 20)
        if code != 0:
            raise RuntimeError(f"the service exited with {code}")

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


async def record(url: str, ended: asyncio.Event) -> Result:
    """Send at the pace of real time until the event is set."""
    chunks, longest, acked, last = 0, 0.0, 0, time.monotonic()
    async with (
        Client(url) as client,
        client.create(sample_rate=48000, format="pcm_s16le") as session,
    ):
        while not ended.is_set():
            await session.send(_PIECES[chunks % len(_PIECES)])
            chunks += 1
            if session.progress.acked > acked:
                acked, now = session.progress.acked, time.monotonic()
                longest, last = max(longest, now - last), now
            await asyncio.sleep(_CHUNK_SECONDS)
        await session.close()
        return Result(session.session_id, chunks, longest)


@contextlib.asynccontextmanager
async def recording(urls: list[str]) -> AsyncIterator[list[Result]]:
    """Record while the block runs; the list has the results after it."""
    ended, results = asyncio.Event(), list[Result]()
    tasks = [
        asyncio.create_task(record(urls[number % len(urls)], ended)) for number in range(_RECORDERS)
    ]
    await asyncio.sleep(1)
    yield results
    await asyncio.sleep(1)
    ended.set()
    async with asyncio.timeout(_MAX_SECONDS):
        results += await asyncio.gather(*tasks)


def check(url: str, results: list[Result], title: str) -> None:
    """Compare each recording with what was sent. Raises ``AssertionError``."""
    for each in results:
        found = requests.get(f"{url}/api/audio/sessions/{each.session_id}/audio", timeout=30)
        sent = b"".join(_PIECES[number % len(_PIECES)] for number in range(each.chunks))
        assert found.content[80:] == sent, f"{title}: {each.session_id} is not exact"
    gap = max(each.longest_gap_seconds for each in results)
    print(f"{title}: {len(results)} recordings exact, longest gap {gap:.1f} s")


async def on_a_volume(folder: Path, old: Path, new: Path) -> None:
    node = Node(folder / "volume", {})
    try:
        await node.start(old)
        for release, title in ((new, "volume, upgrade"), (old, "volume, roll back")):
            async with recording([node.url]) as results:
                await node.stop()
                await node.start(release)
            check(node.url, results, title)
        await node.stop()
        await leaves_newer_alone(node, folder / "volume", old)
    finally:
        node.kill()


async def leaves_newer_alone(node: Node, folder: Path, old: Path) -> None:
    """Start the old release on a folder with an active session of a later format."""
    session_id = "01a21984-0000-7000-8000-000000000000"
    manifest = json.loads(next(folder.glob("0*.json")).read_bytes())
    newer = {"version": 99, "session_id": session_id, "status": "active", "completed_at": None}
    (folder / f"{session_id}.json").write_text(json.dumps({**manifest, **newer}))
    (folder / f"{session_id}.wav").write_bytes(b"audio of a later format")
    state = folder / f"{session_id}.state"
    state.mkdir()
    (state / "checkpoint").write_bytes(b"state of a later format")
    before = contents(folder, session_id)
    await node.start(old)
    listed = requests.get(f"{node.url}/api/audio/sessions", timeout=10).json()["sessions"]
    assert session_id not in {each["session_id"] for each in listed}
    await node.stop()
    assert contents(folder, session_id) == before, "the old release has changed a newer session"
    print("volume, roll back: a session of a later format is left alone")


def contents(folder: Path, session_id: str) -> dict[str, bytes]:
    found = [path for path in folder.rglob(f"{session_id}*") if path.is_file()]
    found += [path for path in (folder / f"{session_id}.state").iterdir() if path.is_file()]
    return {str(path): path.read_bytes() for path in found}


async def on_a_bucket(folder: Path, old: Path, new: Path) -> None:
    (folder / "engine").mkdir()
    with engines.seaweedfs(folder / "engine") as store_url:
        engines.client(store_url).create_bucket(Bucket=engines.BUCKET)
        variables = {
            **engines.CREDENTIALS,
            "STORAGE_BACKEND": "s3",
            "S3_BUCKET": engines.BUCKET,
            "S3_ENDPOINT_URL": store_url,
            "LEASE_SECONDS": str(_LEASE_SECONDS),
        }
        nodes = [Node(folder / f"spool-{number}", variables) for number in range(3)]
        try:
            await asyncio.gather(*(node.start(old) for node in nodes))
            for release, title in ((new, "bucket, rolling update"), (old, "bucket, roll back")):
                async with recording([node.url for node in nodes]) as results:
                    for node in nodes:
                        await node.stop()
                        await node.start(release)
                check(nodes[0].url, results, title)
            await asyncio.gather(*(node.stop() for node in nodes))
        finally:
            for node in nodes:
                node.kill()


def sources(release: str, folder: Path) -> Path:
    """Return a folder with the packages of a release."""
    path = Path(release)
    if path.is_dir():
        return path.absolute()
    folder.mkdir()
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            wheel.extractall(folder)
        return folder
    command = ["git", "-C", str(_ROOT), "archive", release]
    archive = subprocess.run(command, check=True, capture_output=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old")
    parser.add_argument("new", nargs="?", default=str(_ROOT))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        old, new = sources(arguments.old, folder / "old"), sources(arguments.new, folder / "new")
        await on_a_volume(folder, old, new)
        await on_a_bucket(folder, old, new)


if __name__ == "__main__":
    asyncio.run(main())
