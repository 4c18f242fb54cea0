"""Many sessions at once through services that die, over and over, and what must be left then.

The services may be one on a folder or several on one bucket: clients come back to any of
them. One seed decides how streams are cut, how far clients run ahead of their answers,
when services die, and which of them.
"""

import asyncio
import contextlib
import functools
import json
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import psutil
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from storage.wav import HEADER_BYTES
from tests.audio import cut_anywhere, dat, decode, encode, pcm, speech
from tests.service import Client, Message, Service

# What a client that comes back may be told instead of a greeting, and then tries again.
_TRY_AGAIN = {1001, 1006, 1012, 1013}
_RETRY_SECONDS = 0.05
_DEADLINE_SECONDS = 90
_MOST_AHEAD = 6

KillOne = Callable[[Service], Awaitable[None]]
Count = Literal["chunk_count", "persisted_chunk_count"]


class Take(NamedTuple):
    """One stream and what must become of it."""

    name: str
    source: bytes
    expected: bytes
    query: dict[str, Any]


@functools.cache
def takes() -> tuple[Take, ...]:
    """Six streams: raw PCM and five that ffmpeg decodes."""
    raw = pcm(150_000)
    formats: dict[str, tuple[int, tuple[str, ...]]] = {
        "WAV of 24 bits": (22050, ("-c:a", "pcm_s24le", "-f", "wav")),
        "MP3": (22050, ("-c:a", "libmp3lame", "-b:a", "128k", "-f", "mp3")),
        "FLAC": (22050, ("-c:a", "flac", "-f", "flac")),
        "AAC in ADTS": (22050, ("-c:a", "aac", "-f", "adts")),
        "WebM Opus": (
            48000,
            ("-c:a", "libopus", "-f", "webm", "-live", "1", "-cluster_time_limit", "100"),
        ),
    }
    encoded = {name: encode(speech(), *options) for name, (_, options) in formats.items()}
    return (
        Take("raw PCM", raw, raw, {"sample_rate": 22050}),
        *(
            Take(
                name,
                encoded[name],
                decode(encoded[name], sample_rate=sample_rate),
                {"sample_rate": sample_rate},
            )
            for name, (sample_rate, _) in formats.items()
        ),
    )


class Recorder:
    """A client that has one take recorded, whatever it takes."""

    def __init__(
        self, take: Take, services: Sequence[Service], safe: Count, progressed: Callable[[], None]
    ) -> None:
        self.take = take
        self.pieces: list[bytes] = []
        self.session_id = ""
        self.connections = 0
        self.confirmed = 0  # chunks that the service said it has, and the end as one more
        self._services = services
        self._safe = safe
        self._progressed = progressed
        self._floor = 0  # what no death may take away
        self._sent = 0

    def cut(self, seed: int) -> None:
        largest = max(64, len(self.take.source) // 20)
        self.pieces = list(cut_anywhere(self.take.source, seed=seed, largest=largest))

    async def run(self, generator: random.Random, begun: asyncio.Barrier) -> None:
        """Send everything and close, over as many connections as there must be."""
        while self.confirmed <= len(self.pieces):
            service = generator.choice(self._services)
            try:
                async with self._connect(service) as client:
                    if await self._greeted(client):
                        if not self.connections:
                            self.session_id = client.session_id
                            # Of a session that begins as its service dies no client knows.
                            await begun.wait()
                        self.connections += 1
                        await self._stream(client, ahead=generator.randint(1, _MOST_AHEAD))
                        continue
            except (ConnectionClosed, InvalidHandshake, OSError):
                pass
            await asyncio.sleep(_RETRY_SECONDS)

    def _connect(self, service: Service) -> contextlib.AbstractAsyncContextManager[Client]:
        if not self.session_id:
            return service.session(**self.take.query)
        return service.session(f"/{self.session_id}", resume="true")

    async def _greeted(self, client: Client) -> bool:
        greeting = client.greeting
        if greeting["type"] == "session":
            assert self._floor <= greeting["chunk_count"] <= self._sent, (self.take.name, greeting)
            return True
        if greeting["code"] == "session_completed" and self._sent == len(self.pieces):
            self._confirm(self._sent + 1)  # what said so was lost on the way
            return True
        code, _ = await client.closed()
        assert code in _TRY_AGAIN, (self.take.name, greeting)
        return False

    async def _stream(self, client: Client, *, ahead: int) -> None:
        """Send on from what the service has, at most ``ahead`` of its answers."""
        if self.confirmed > len(self.pieces):
            return
        has = sent = client.greeting["chunk_count"]
        while has < len(self.pieces):
            while sent < len(self.pieces) and sent - has < ahead:
                self._sent = max(self._sent, sent + 1)
                await client.socket.send(self.pieces[sent])
                sent += 1
            answer = await self._answer(client, "chunk")
            has += 1
            assert answer["chunk_count"] == has, (self.take.name, answer)
            self._confirm(has)
        await client.socket.send('{"type": "control", "action": "close_session"}')
        final = await self._answer(client, "control")
        assert final["chunk_count"] == final["persisted_chunk_count"] == has
        self._confirm(has + 1)

    async def _answer(self, client: Client, expected: str) -> Message:
        answer = await client.receive()
        if answer["type"] == "error":
            code, _ = await client.closed()
            assert code in _TRY_AGAIN, (self.take.name, answer)
            raise ConnectionError(answer["error"])
        assert answer["type"] == expected, (self.take.name, answer)
        self._floor = max(self._floor, answer[self._safe])
        return answer

    def _confirm(self, count: int) -> None:
        self.confirmed = count
        self._progressed()


async def record_through_crashes(
    services: Sequence[Service],
    kill_one: KillOne,
    *,
    seed: int,
    kills: int = 6,
    safe: Count = "chunk_count",
    recorded: Sequence[Take] = (),
) -> list[Recorder]:
    """Record ``recorded`` at once (all takes, if none) while services are killed.

    ``kill_one`` ends a service as a crash would and starts it again, or another in its
    place. Killing waits for work to go on, not for a time: after a number of confirmed
    chunks, which may be the next. ``safe`` names the count that no death may take back.
    """
    generator = random.Random(seed)
    changed = asyncio.Event()
    recorders = [Recorder(take, services, safe, changed.set) for take in recorded or takes()]
    for recorder in recorders:
        recorder.cut(generator.randrange(2**32))
    steps = sum(len(recorder.pieces) + 1 for recorder in recorders)
    moments = sorted(generator.choices(range(steps), k=kills))
    begun = asyncio.Barrier(len(recorders) + 1)

    async def kill() -> None:
        await begun.wait()
        for moment in moments:
            while sum(recorder.confirmed for recorder in recorders) < moment:
                changed.clear()
                await changed.wait()
            await kill_one(generator.choice(services))

    async with asyncio.timeout(_DEADLINE_SECONDS), asyncio.TaskGroup() as group:
        for recorder in recorders:
            seeded = random.Random(generator.randrange(2**32))
            group.create_task(recorder.run(seeded, begun))
        group.create_task(kill())
    return recorders


def must_be_kept(recorders: Sequence[Recorder], kept: Mapping[str, bytes]) -> None:
    """Every recording exact, every count right, and nothing else: ``kept`` is all there is."""
    for recorder in recorders:
        name, session_id = recorder.take.name, recorder.session_id
        recorded = kept[f"{session_id}.wav"][HEADER_BYTES:]
        expected = recorder.take.expected
        assert recorded == expected, f"{name}: {len(recorded)} bytes instead of {len(expected)}"
        manifest = json.loads(kept[f"{session_id}.json"])
        assert manifest["status"] == "completed", manifest
        found = {key: manifest[key] for key in ("sample_rate", "channels")}
        assert kept.get(f"{session_id}.dat") in {None, dat(recorded, **found)}, name
        assert manifest["chunk_count"] == len(recorder.pieces), (name, manifest)
    ids = [recorder.session_id for recorder in recorders]
    names = {f"{session_id}.{kind}" for session_id in ids for kind in ("wav", "json")}
    # A crash in the very last moment leaves none: it is made when somebody asks for it.
    waveforms = {f"{session_id}.dat" for session_id in ids} & set(kept)
    assert set(kept) - waveforms == names, f"left over: {sorted(set(kept) - names)}"


def files(folder: Path) -> dict[str, bytes]:
    """All that a service left in its folder, but for its lock. What is a folder has no bytes."""
    paths = [path for path in folder.iterdir() if path.name != ".lock"]
    return {path.name: path.read_bytes() if path.is_file() else b"" for path in paths}


class Undertaker:
    """Kills services as a crash would, starts them again, and knows what they left running."""

    def __init__(self) -> None:
        self.deaths = 0
        self._orphans: list[psutil.Process] = []

    async def kill_one(self, service: Service) -> None:
        await asyncio.to_thread(self._kill, service)

    async def survivors(self) -> list[psutil.Process]:
        """Children of the dead that did not end with them, after a while."""
        _, alive = await asyncio.to_thread(psutil.wait_procs, self._orphans, timeout=10)
        return list(alive)

    def _kill(self, service: Service) -> None:
        self._orphans += psutil.Process(service.pid).children(recursive=True)
        service.kill()
        service.start()
        self.deaths += 1
