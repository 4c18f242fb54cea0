"""Record many sessions at once while services crash again and again, and check the result.

There may be one service on a folder or several on one bucket: clients reconnect to any of them.
One seed decides how streams are cut, how many chunks are in flight, when services crash, and which
of them.
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
from tests.storage.test_block_digest import by_definition

# After these close codes, a client tries to reconnect again.
_RETRY_CLOSE_CODES = {1001, 1006, 1012, 1013}
_RETRY_SECONDS = 0.05
_TIMEOUT_SECONDS = 90
_MAX_IN_FLIGHT = 6

Crash = Callable[[Service], Awaitable[None]]
Count = Literal["chunk_count", "persisted_chunk_count"]


class ReferenceStream(NamedTuple):
    """One stream, its parameters, and the PCM that must be recorded."""

    name: str
    source: bytes
    expected: bytes
    query: dict[str, Any]


@functools.cache
def reference_streams() -> tuple[ReferenceStream, ...]:
    """Return six streams: raw PCM and five that ffmpeg decodes."""
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
        ReferenceStream("raw PCM", raw, raw, {"sample_rate": 22050}),
        *(
            ReferenceStream(
                name,
                encoded[name],
                decode(encoded[name], sample_rate=sample_rate),
                {"sample_rate": sample_rate},
            )
            for name, (sample_rate, _) in formats.items()
        ),
    )


class Recorder:
    """A client that records one stream and reconnects as often as needed."""

    def __init__(
        self,
        stream: ReferenceStream,
        services: Sequence[Service],
        durable_count: Count,
        on_progress: Callable[[], None],
    ) -> None:
        self.stream = stream
        self.chunks: list[bytes] = []
        self.session_id = ""
        self.connections = 0
        self.confirmed = 0  # acknowledged chunks, plus one for the completed session
        self._services = services
        self._durable_count = durable_count
        self._on_progress = on_progress
        self._min_chunk_count = 0  # the highest durable count: no crash may reduce it
        self._sent = 0

    def cut(self, seed: int) -> None:
        largest = max(64, len(self.stream.source) // 20)
        self.chunks = list(cut_anywhere(self.stream.source, seed=seed, largest=largest))

    async def run(self, generator: random.Random, all_started: asyncio.Barrier) -> None:
        """Send everything and close the session, over as many connections as needed."""
        while self.confirmed <= len(self.chunks):
            service = generator.choice(self._services)
            try:
                async with self._connect(service) as client:
                    if await self._handle_greeting(client):
                        if not self.connections:
                            self.session_id = client.session_id
                            # If the service crashes first, the client has no session id.
                            await all_started.wait()
                        self.connections += 1
                        await self._stream(
                            client, max_in_flight=generator.randint(1, _MAX_IN_FLIGHT)
                        )
                        continue
            except (ConnectionClosed, InvalidHandshake, OSError):
                pass
            await asyncio.sleep(_RETRY_SECONDS)

    def _connect(self, service: Service) -> contextlib.AbstractAsyncContextManager[Client]:
        if not self.session_id:
            return service.session(**self.stream.query)
        return service.session(f"/{self.session_id}", resume="true")

    async def _handle_greeting(self, client: Client) -> bool:
        greeting = client.greeting
        if greeting["type"] == "session":
            assert self._min_chunk_count <= greeting["chunk_count"] <= self._sent, (
                self.stream.name,
                greeting,
            )
            return True
        if greeting["code"] == "session_completed" and self._sent == len(self.chunks):
            self._confirm(self._sent + 1)  # the final message was lost
            return True
        code, _ = await client.closed()
        assert code in _RETRY_CLOSE_CODES, (self.stream.name, greeting)
        return False

    async def _stream(self, client: Client, *, max_in_flight: int) -> None:
        """Send the missing chunks, with at most ``max_in_flight`` unacknowledged ones."""
        if self.confirmed > len(self.chunks):
            return
        has = sent = client.greeting["chunk_count"]
        while has < len(self.chunks):
            while sent < len(self.chunks) and sent - has < max_in_flight:
                self._sent = max(self._sent, sent + 1)
                await client.socket.send(self.chunks[sent])
                sent += 1
            answer = await self._answer(client, "chunk")
            has += 1
            assert answer["chunk_count"] == has, (self.stream.name, answer)
            self._confirm(has)
        await client.socket.send('{"type": "control", "action": "close_session"}')
        final = await self._answer(client, "control")
        assert final["chunk_count"] == final["persisted_chunk_count"] == has
        self._confirm(has + 1)

    async def _answer(self, client: Client, expected: str) -> Message:
        answer = await client.receive()
        if answer["type"] == "error":
            code, _ = await client.closed()
            assert code in _RETRY_CLOSE_CODES, (self.stream.name, answer)
            raise ConnectionError(answer["error"])
        assert answer["type"] == expected, (self.stream.name, answer)
        self._min_chunk_count = max(self._min_chunk_count, answer[self._durable_count])
        return answer

    def _confirm(self, count: int) -> None:
        self.confirmed = count
        self._on_progress()


async def record_through_crashes(
    services: Sequence[Service],
    crash: Crash,
    *,
    seed: int,
    kills: int = 6,
    durable_count: Count = "chunk_count",
    streams: Sequence[ReferenceStream] = (),
) -> list[Recorder]:
    """Record all reference streams, or those given, at once while services crash.

    ``crash`` kills a service and starts it again, or another one in its place. The crashes come
    after random numbers of acknowledged chunks, not after times. ``durable_count`` names the count
    that a crash may not reduce.
    """
    generator = random.Random(seed)
    changed = asyncio.Event()
    recorders = [
        Recorder(stream, services, durable_count, changed.set)
        for stream in streams or reference_streams()
    ]
    for recorder in recorders:
        recorder.cut(generator.randrange(2**32))
    steps = sum(len(recorder.chunks) + 1 for recorder in recorders)
    crash_points = sorted(generator.choices(range(steps), k=kills))
    all_started = asyncio.Barrier(len(recorders) + 1)

    async def kill() -> None:
        await all_started.wait()
        for crash_point in crash_points:
            while sum(recorder.confirmed for recorder in recorders) < crash_point:
                changed.clear()
                await changed.wait()
            await crash(generator.choice(services))

    async with asyncio.timeout(_TIMEOUT_SECONDS), asyncio.TaskGroup() as group:
        for recorder in recorders:
            recorder_generator = random.Random(generator.randrange(2**32))
            group.create_task(recorder.run(recorder_generator, all_started))
        group.create_task(kill())
    return recorders


def assert_recorded(recorders: Sequence[Recorder], files: Mapping[str, bytes]) -> None:
    """Check every recording and manifest, and that ``files`` has no other files."""
    for recorder in recorders:
        name, session_id = recorder.stream.name, recorder.session_id
        recorded = files[f"{session_id}.wav"][HEADER_BYTES:]
        expected = recorder.stream.expected
        assert recorded == expected, f"{name}: {len(recorded)} bytes instead of {len(expected)}"
        manifest = json.loads(files[f"{session_id}.json"])
        assert manifest["status"] == "completed", manifest
        found = {key: manifest[key] for key in ("sample_rate", "channels")}
        assert files.get(f"{session_id}.dat") in {None, dat(recorded, **found)}, name
        assert manifest["chunk_count"] == len(recorder.chunks), (name, manifest)
        receipt = manifest["receipt"]
        assert receipt["audio"]["digest"] == by_definition(recorded), name
        assert receipt["inputs_unknown"] is None, (name, receipt)
        received = [(each["bytes"], each["digest"]) for each in receipt["inputs"]]
        sent = b"".join(recorder.chunks)
        assert received == [(len(sent), by_definition(sent))], name
    ids = [recorder.session_id for recorder in recorders]
    kinds = ("wav", "json", "sums", "times")
    names = {f"{session_id}.{kind}" for session_id in ids for kind in kinds}
    # After a crash during completion it is missing, and the service makes it on request.
    waveforms = {f"{session_id}.dat" for session_id in ids} & set(files)
    assert set(files) - waveforms == names, f"left over: {sorted(set(files) - names)}"


# What a folder has besides the files of its sessions.
OF_THE_FOLDER = {".lock", ".active", ".index", ".workers", ".receipt-key"}


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the files of sessions in a service's folder, and strays. A folder counts as empty."""
    paths = [*(path for path in folder.iterdir() if path.name not in OF_THE_FOLDER),
             *(folder / ".active").iterdir()]  # fmt: skip
    return {path.name: path.read_bytes() if path.is_file() else b"" for path in paths}


class CrashInjector:
    """Kill and restart services, and find child processes that survived the kill."""

    def __init__(self) -> None:
        self.crash_count = 0
        self._children: list[psutil.Process] = []

    async def crash(self, service: Service) -> None:
        await asyncio.to_thread(self._kill, service)

    async def surviving_children(self) -> list[psutil.Process]:
        """Return the child processes of killed services that still run after a timeout."""
        _, alive = await asyncio.to_thread(psutil.wait_procs, self._children, timeout=60)
        return list(alive)

    def _kill(self, service: Service) -> None:
        self._children += psutil.Process(service.pid).children(recursive=True)
        service.kill()
        service.start()
        self.crash_count += 1
