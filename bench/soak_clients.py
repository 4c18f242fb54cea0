"""Clients that complete, abandon, resume or delete sessions, or send garbage.

Each client works on one session and returns how it ended. The recording must be the decode of
exactly the chunks that the session has; otherwise ``MismatchError`` is raised.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import requests
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from bench.load_client import binary_frame
from bench.stream_formats import STREAM_FORMATS, StreamFormat
from storage.wav import HEADER_BYTES
from tests.audio import cut_anywhere
from tests.service import Client

_STREAM_SECONDS = 6
_VARIANTS = 2
_MAX_CHUNK_BYTES = 8000
# With fewer bytes, the format may be undetected at the end; then they are recorded as raw PCM.
_DETECTION_BYTES = 16 * 1024


class MismatchError(Exception):
    """A recording differs from the audio that was sent."""


class SoakTarget:
    """The server under test, and the clients that have abandoned a session on it."""

    def __init__(self, port: int, folder: Path) -> None:
        self.folder = folder
        self._port = port
        self.abandoned: list[SoakClient] = []
        self.streams = {
            (stream_format, variant): stream_format.encode(_STREAM_SECONDS, variant=variant)
            for stream_format in STREAM_FORMATS
            for variant in range(_VARIANTS)
        }
        self.decoded = {key: key[0].decode(stream) for key, stream in self.streams.items()}

    async def http(self, method: str, path: str) -> Any:
        url = f"http://127.0.0.1:{self._port}/api/audio/sessions{path}"
        response = await asyncio.to_thread(requests.request, method, url, timeout=60)
        response.raise_for_status()
        return response.json()

    @contextlib.asynccontextmanager
    async def client(self, path: str, query: str) -> AsyncIterator[Client]:
        url = f"ws://127.0.0.1:{self._port}/api/ws/audio{path}?{query}"
        async with connect(url, max_size=None) as socket:
            client = Client(socket)
            client.greeting = await client.receive()
            if client.greeting["type"] == "error":
                raise RuntimeError(client.greeting["error"])
            yield client


class SoakClient:
    """A client of one session; the same seed repeats the same behaviour."""

    def __init__(self, target: SoakTarget, seed: int) -> None:
        self._target = target
        self._random = random.Random(seed)
        self._key: tuple[StreamFormat, int] = self._random.choice(list(target.streams))
        self._chunks = list(
            cut_anywhere(target.streams[self._key], seed=seed, largest=_MAX_CHUNK_BYTES)
        )
        self._sent = 0
        self.session_id = ""
        self.name = f"{self._key[0].name}, seed {seed}"

    async def run(self) -> str:
        behaviours: dict[Callable[[], Coroutine[Any, Any, str]], int] = {
            self._resume_until_complete: 50,
            self._abandon: 15,
            self._close_over_http: 15,
            self._delete_over_http: 10,
            self._send_garbage: 10,
        }
        (behaviour,) = self._random.choices(list(behaviours), list(behaviours.values()))
        return await behaviour()

    async def clean_up(self) -> str:
        """Delete or close the abandoned session."""
        if self._random.random() < 0.5:
            await self._target.http("DELETE", f"/{self.session_id}")
            return "abandoned, deleted at the end"
        await self._close_and_compare()
        return "abandoned, closed at the end"

    async def _resume_until_complete(self) -> str:
        drops = self._random.choice((0, 1, 2, 4))
        path, query = "", self._key[0].query
        for end in sorted(self._random.randint(0, len(self._chunks)) for _ in range(drops)):
            async with self._target.client(path, query) as client:
                await self._send(client, end)
                await self._drop(client)
            path, query = f"/{self.session_id}", "resume=true"
        async with self._target.client(path, query) as client:
            await self._send(client, len(self._chunks))
            if over_http := self._random.random() < 0.3:
                await self._target.http("POST", f"/{self.session_id}/close")
            else:
                await client.close_session()
        await self._compare(len(self._chunks))
        return f"complete, {drops} drops" + ", closed over HTTP" * over_http

    async def _abandon(self) -> str:
        end = self._random.randint(1, len(self._chunks))
        async with self._target.client("", self._key[0].query) as client:
            await self._send(client, end)
            await self._drop(client)
        self._target.abandoned.append(self)
        return "abandoned"

    async def _close_over_http(self) -> str:
        """Close over HTTP in the middle of the stream."""
        end = self._random.randint(1, len(self._chunks))
        async with self._target.client("", self._key[0].query) as client:
            await self._send(client, end)
            await self._close_and_compare()
        return "closed over HTTP in the middle"

    async def _delete_over_http(self) -> str:
        end = self._random.randint(1, len(self._chunks))
        async with self._target.client("", self._key[0].query) as client:
            await self._send(client, end)
            # Some chunks may be in flight; the deletion must leave no files in any case.
            for chunk in self._chunks[end : end + self._random.randint(0, 5)]:
                await client.socket.send(chunk)
            await self._target.http("DELETE", f"/{self.session_id}")
        return "deleted in the middle"

    async def _send_garbage(self) -> str:
        declared = self._random.choice(("wav", "mp3", "flac", "aac", "webm", "ogg", "mp4"))
        prefix = self._random.choice((b"", self._chunks[0], b"\x1a\x45\xdf\xa3", b"OggS\0\2"))
        async with self._target.client("", f"sample_rate=48000&format={declared}") as client:
            self.session_id = client.session_id
            unexpected = False
            with contextlib.suppress(ConnectionClosed):
                for size_bytes in (0, *self._random.choices(range(1, 40_000), k=5)):
                    answer = await client.send(prefix + self._random.randbytes(size_bytes))
                    unexpected = unexpected or answer.get("code") == "internal_error"
                    prefix = b""
                    if self._random.random() < 0.3:
                        await client.socket.send('{"type": "control", "action": "sing"}')
                        await client.receive()
                await self._drop(client)
        await self._target.http(*self._random.choice(self._end_requests))
        if unexpected:
            raise RuntimeError("garbage was answered with an internal error")
        return "garbage"

    @property
    def _end_requests(self) -> tuple[tuple[str, str], ...]:
        return ("POST", f"/{self.session_id}/close"), ("DELETE", f"/{self.session_id}")

    async def _send(self, client: Client, end: int) -> None:
        """Send the chunks up to ``end`` that the server does not have yet."""
        self.session_id = client.session_id
        has = client.greeting["chunk_count"]
        self._sent = max(has, end)
        for chunk in self._chunks[has:end]:
            answer = await client.send(chunk)
            if answer["type"] != "chunk":
                raise MismatchError(f"{self.name}: {answer}")

    async def _drop(self, client: Client) -> None:
        """End the connection in one of four ways."""
        match self._random.randrange(4):
            case 0:
                await client.socket.close()
            case 1:
                client.drop()
            case 2:  # half a chunk is in flight
                frame = binary_frame(bytes(5000))
                client.socket.transport.write(frame[: self._random.randrange(1, len(frame))])
                client.drop()
            case 3:  # without waiting for the last answers
                for chunk in self._chunks[self._sent : self._sent + 3]:
                    await client.socket.send(chunk)
                client.drop()

    async def _close_and_compare(self) -> None:
        closed = await self._target.http("POST", f"/{self.session_id}/close")
        await self._compare(closed["session"]["total_chunks"])

    async def _compare(self, chunks: int) -> None:
        """Compare the recording with the decode of the first ``chunks`` chunks; delete it."""
        await asyncio.to_thread(self._assert_exact, chunks)
        await self._target.http("DELETE", f"/{self.session_id}")

    def _assert_exact(self, chunks: int) -> None:
        sent = b"".join(self._chunks[:chunks])
        stream = self._target.streams[self._key]
        if len(sent) < min(_DETECTION_BYTES, len(stream)):
            return
        expected = self._target.decoded[self._key] if sent == stream else self._key[0].decode(sent)
        path = self._target.folder / f"{self.session_id}.wav"
        recorded = path.read_bytes()[HEADER_BYTES:]
        if recorded != expected:
            raise MismatchError(
                f"{self.name}: {chunks} of {len(self._chunks)} chunks sent,"
                f" {len(recorded)} bytes recorded instead of {len(expected)}"
            )
