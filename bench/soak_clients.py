"""Clients that behave as clients do: they finish, vanish, come back, or send nonsense.

Each works on one session and says how it ended. What a session has of its stream must be
the decode of just that, whatever happened on the way; ``MismatchError`` says where it is not.
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

from bench.material import MATERIALS, Material
from bench.websocket_load import binary_frame
from storage.wav import HEADER_BYTES
from tests.audio import cut_anywhere
from tests.service import Client

_STREAM_SECONDS = 6
_VARIANTS = 2
_LARGEST_CHUNK_BYTES = 8000
# Of less than this it may not be known yet what it is, and then it is raw PCM.
_TELLING_BYTES = 16 * 1024


class MismatchError(Exception):
    """A recording that is not what was sent."""


class Site:
    """The server under test, and what was recorded there that is not closed yet."""

    def __init__(self, port: int, folder: Path) -> None:
        self.folder = folder
        self._port = port
        self.abandoned: list[SoakClient] = []
        self.streams = {
            (material, variant): material.encoded(_STREAM_SECONDS, variant=variant)
            for material in MATERIALS
            for variant in range(_VARIANTS)
        }
        self.decoded = {key: key[0].decoded(stream) for key, stream in self.streams.items()}

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
    """One session, from a seed: the same seed does the same again."""

    def __init__(self, site: Site, seed: int) -> None:
        self._site = site
        self._random = random.Random(seed)
        self._key: tuple[Material, int] = self._random.choice(list(site.streams))
        self._pieces = list(
            cut_anywhere(site.streams[self._key], seed=seed, largest=_LARGEST_CHUNK_BYTES)
        )
        self._sent = 0
        self.session_id = ""
        self.name = f"{self._key[0].name}, seed {seed}"

    async def run(self) -> str:
        behaviours: dict[Callable[[], Coroutine[Any, Any, str]], int] = {
            self._resume_until_complete: 50,
            self._vanish: 15,
            self._be_closed: 15,
            self._be_deleted: 10,
            self._send_garbage: 10,
        }
        (behave,) = self._random.choices(list(behaviours), list(behaviours.values()))
        return await behave()

    async def clean_up(self) -> str:
        """End what was abandoned, in one of two ways."""
        if self._random.random() < 0.5:
            await self._site.http("DELETE", f"/{self.session_id}")
            return "abandoned, deleted at the end"
        await self._close_and_compare()
        return "abandoned, closed at the end"

    async def _resume_until_complete(self) -> str:
        drops = self._random.choice((0, 1, 2, 4))
        path, query = "", self._key[0].query
        for end in sorted(self._random.randint(0, len(self._pieces)) for _ in range(drops)):
            async with self._site.client(path, query) as client:
                await self._send(client, end)
                await self._drop(client)
            path, query = f"/{self.session_id}", "resume=true"
        async with self._site.client(path, query) as client:
            await self._send(client, len(self._pieces))
            if over_http := self._random.random() < 0.3:
                await self._site.http("POST", f"/{self.session_id}/close")
            else:
                await client.close_session()
        await self._compare(len(self._pieces))
        return f"complete, {drops} drops" + ", closed over HTTP" * over_http

    async def _vanish(self) -> str:
        end = self._random.randint(1, len(self._pieces))
        async with self._site.client("", self._key[0].query) as client:
            await self._send(client, end)
            await self._drop(client)
        self._site.abandoned.append(self)
        return "abandoned"

    async def _be_closed(self) -> str:
        """Over HTTP, in the middle of the stream."""
        end = self._random.randint(1, len(self._pieces))
        async with self._site.client("", self._key[0].query) as client:
            await self._send(client, end)
            await self._close_and_compare()
        return "closed over HTTP in the middle"

    async def _be_deleted(self) -> str:
        end = self._random.randint(1, len(self._pieces))
        async with self._site.client("", self._key[0].query) as client:
            await self._send(client, end)
            # Some chunks may be on their way: whatever becomes of them, nothing may stay.
            for piece in self._pieces[end : end + self._random.randint(0, 5)]:
                await client.socket.send(piece)
            await self._site.http("DELETE", f"/{self.session_id}")
        return "deleted in the middle"

    async def _send_garbage(self) -> str:
        declared = self._random.choice(("wav", "mp3", "flac", "aac", "webm", "ogg", "mp4"))
        begins = self._random.choice((b"", self._pieces[0], b"\x1a\x45\xdf\xa3", b"OggS\0\2"))
        async with self._site.client("", f"sample_rate=48000&format={declared}") as client:
            self.session_id = client.session_id
            unexpected = False
            with contextlib.suppress(ConnectionClosed):
                for size_bytes in (0, *self._random.choices(range(1, 40_000), k=5)):
                    answer = await client.send(begins + self._random.randbytes(size_bytes))
                    unexpected = unexpected or answer.get("code") == "internal_error"
                    begins = b""
                    if self._random.random() < 0.3:
                        await client.socket.send('{"type": "control", "action": "sing"}')
                        await client.receive()
                await self._drop(client)
        await self._site.http(*self._random.choice(self._ends))
        if unexpected:
            raise RuntimeError("garbage was answered with an internal error")
        return "garbage"

    @property
    def _ends(self) -> tuple[tuple[str, str], ...]:
        return ("POST", f"/{self.session_id}/close"), ("DELETE", f"/{self.session_id}")

    async def _send(self, client: Client, end: int) -> None:
        """What the server does not have yet of the pieces up to ``end``."""
        self.session_id = client.session_id
        has = client.greeting["chunk_count"]
        self._sent = max(has, end)
        for piece in self._pieces[has:end]:
            answer = await client.send(piece)
            if answer["type"] != "chunk":
                raise MismatchError(f"{self.name}: {answer}")

    async def _drop(self, client: Client) -> None:
        """One of the ways in which connections end."""
        match self._random.randrange(4):
            case 0:
                await client.socket.close()
            case 1:
                client.drop()
            case 2:  # half a chunk is on its way
                frame = binary_frame(bytes(5000))
                client.socket.transport.write(frame[: self._random.randrange(1, len(frame))])
                client.drop()
            case 3:  # nobody waits for the answers to the last ones
                for piece in self._pieces[self._sent : self._sent + 3]:
                    await client.socket.send(piece)
                client.drop()

    async def _close_and_compare(self) -> None:
        closed = await self._site.http("POST", f"/{self.session_id}/close")
        await self._compare(closed["session"]["total_chunks"])

    async def _compare(self, chunks: int) -> None:
        """The recording must be the decode of the first ``chunks`` pieces. Then it can go."""
        await asyncio.to_thread(self._must_be_exact, chunks)
        await self._site.http("DELETE", f"/{self.session_id}")

    def _must_be_exact(self, chunks: int) -> None:
        sent = b"".join(self._pieces[:chunks])
        stream = self._site.streams[self._key]
        if len(sent) < min(_TELLING_BYTES, len(stream)):
            return
        expected = self._site.decoded[self._key] if sent == stream else self._key[0].decoded(sent)
        path = self._site.folder / f"{self.session_id}.wav"
        recorded = path.read_bytes()[HEADER_BYTES:]
        if recorded != expected:
            raise MismatchError(
                f"{self.name}: {chunks} of {len(self._pieces)} chunks sent,"
                f" {len(recorded)} bytes recorded instead of {len(expected)}"
            )
