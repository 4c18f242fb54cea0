"""Rehearse an upgrade from another release and the way back, while clients record.

    PYTHONPATH=. .venv/bin/python infra/rehearse_upgrade.py OLD [NEW]

OLD and NEW are a tag or commit of this repository, a folder with the sources of a release, or its
wheel; NEW is this checkout by default. Both run with the packages of `.venv`. On a volume, one
service is replaced by the other release and then by the old one again. On a bucket (SeaweedFS),
three nodes are replaced one by one, and back. Meanwhile clients record PCM at the pace of a live
recorder, and resume. The script fails unless every recording is exact, and unless the old release
leaves alone, and names in its log, a session of a newer format and one that was paused. The paused
one is paused in the middle of the update, and goes on after the next one.
"""

import argparse
import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

import requests

from sercuescribe_client import Client
from tests import engines
from tests.audio import cut, pcm
from tests.releases import Node, sources

_ROOT = Path(__file__).parents[1]
_RECORDERS = 4
_CHUNK_SECONDS = 0.02  # the pace of a live recorder
_CHUNK_BYTES = 1_920  # 20 ms of 48 kHz mono
_MAX_SECONDS = 60.0
_LEASE_SECONDS = 5
_CUT = 100  # chunks before and after a pause
_NOT_RECORDED = bytes(_CHUNK_BYTES)
_PIECES = list(cut(pcm(8_000_000), _CHUNK_BYTES))


class Result(NamedTuple):
    """What one client has recorded."""

    session_id: str
    chunks: int
    longest_gap_seconds: float


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
        await node.start(new)
        paused = await pause(node)
        await node.stop()
        before = contents(folder / "volume", paused)
        await node.start(old)
        check_left_alone([node], paused, "this release reads up to")
        await node.stop()
        assert contents(folder / "volume", paused) == before, "a paused session was changed"
        await node.start(new)
        await go_on(node, paused, "volume")
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


async def pause(node: Node) -> str:
    """Record, pause, send what must not be recorded, and disconnect. Return the session."""
    async with Client(node.url) as client:
        session = client.create(sample_rate=48000, format="pcm_s16le")
        async with session:
            for piece in _PIECES[:_CUT]:
                await session.send(piece)
            await session.flush()
            await session.pause()
            await session.send(_NOT_RECORDED)
            await session.flush()
            await session.detach()
        return session.session_id


def check_left_alone(nodes: list[Node], session_id: str, line: str) -> None:
    """Check what nodes of the old release say of a session that they must leave alone."""
    for node in nodes:
        url = f"{node.url}/api/audio/sessions/{session_id}"
        for answer in (requests.get(url, timeout=10), requests.post(f"{url}/close", timeout=10)):
            assert answer.json().get("code") == "session_damaged", answer.text
    lines = [each for node in nodes for each in node.log.splitlines() if session_id in each]
    assert any(line in each for each in lines), lines


async def go_on(node: Node, session_id: str, title: str) -> None:
    """Resume the recording with the release that has paused it; compare it with what was sent."""
    async with Client(node.url) as client, asyncio.timeout(_MAX_SECONDS):
        assert (await client.info(session_id)).paused
        async with client.attach(session_id) as session:
            await session.send(_NOT_RECORDED)
            await session.flush()
            await session.resume()
            for piece in _PIECES[_CUT : 2 * _CUT]:
                await session.send(piece)
            await session.close()
    found = requests.get(f"{node.url}/api/audio/sessions/{session_id}/audio", timeout=30)
    assert found.content[80:] == b"".join(_PIECES[: 2 * _CUT]), f"{title}: paused: not exact"
    print(f"{title}: the old release has left a paused session alone; it went on and is exact")


async def leaves_paused_alone(nodes: list[Node], store_url: str, old: Path, new: Path) -> None:
    """Pause on the only node of the new release, which dies; then let it be of the old one."""
    line = "does not say how far its recording got"
    updated, *others = nodes
    await updated.stop()
    await updated.start(new)
    paused = await pause(updated)
    before = audio_objects(store_url, paused)
    updated.kill()
    await until(lambda: any(line in node.log for node in others))
    check_left_alone(others, paused, line)
    await updated.start(old)  # on the spool of the paused session
    check_left_alone(nodes, paused, line)
    assert audio_objects(store_url, paused) == before, "a paused session was changed"
    for node in nodes:
        await node.stop()
        await node.start(new)
    await go_on(nodes[-1], paused, "bucket")


def audio_objects(store_url: str, session_id: str) -> dict[str, bytes]:
    """Return the objects of a session without its epochs, which every attempt adds to."""
    found = engines.objects(store_url, "")
    return {key: body for key, body in found.items() if session_id in key and "/epochs/" not in key}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(_MAX_SECONDS):
        while not condition():
            await asyncio.sleep(0.1)


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
            await leaves_paused_alone(nodes, store_url, old, new)
            await asyncio.gather(*(node.stop() for node in nodes))
        finally:
            for node in nodes:
                node.kill()


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
