"""The service as a real process on loopback that tests can kill and restart."""

import asyncio
import contextlib
import json
import os
import signal
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import requests
from websockets.asyncio.client import ClientConnection, connect

from tests.eventually import eventually
from tests.ports import reserve_ports
from tests.preloaded_process import PreloadedProcess

_RUNNING = "Uvicorn running on "

# All tests connect from one address, and would reach the rate limits.
_NO_RATES = {"MAX_HANDSHAKES_PER_MINUTE": "0", "MAX_NEW_SESSIONS_PER_MINUTE": "0"}

Message = dict[str, Any]


class Service:
    """One server process with its own recordings folder. `start` may follow `kill`.

    ``program`` is the module that runs it, with its first arguments.
    """

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.program: tuple[str, ...] = ("api.cli", "serve")
        (self.port,) = reserve_ports(1)
        self.log: list[str] = []
        self._settings = _NO_RATES | {name.upper(): str(value) for name, value in settings.items()}
        self._process: PreloadedProcess | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/api/ws/audio"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> "Service":
        reading, writing = os.pipe()
        self._process = PreloadedProcess(
            (*self.program, "--port", str(self.port)),
            {**os.environ, "AUDIO_STORAGE_PATH": str(self.folder), **self._settings},
            stderr=writing,
        )
        os.close(writing)
        self._stderr = os.fdopen(reading)
        for line in self._stderr:
            self.log.append(line)
            if _RUNNING in line:
                break
        else:
            self._stderr.close()
            self._process.wait(30)
            raise RuntimeError("the service did not start:\n" + "".join(self.log))
        # Read the rest of the log, because a full pipe would block the server.
        self._reader = threading.Thread(target=self.log.extend, args=(self._stderr,))
        self._reader.start()
        return self

    def kill(self) -> None:
        """End the process as a crash does, and its workers."""
        workers = self.workers()
        for worker in workers:
            worker.suspend()
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        for worker in workers:
            worker.kill()
        self._end(signal.SIGKILL)

    def workers(self) -> list[psutil.Process]:
        """Return the workers, oldest first; none if the service is one process."""
        try:
            children = psutil.Process(self.pid).children()
            workers = [each for each in children if "api.cli.worker" in each.cmdline()]
        except psutil.Error:
            return []
        return sorted(workers, key=lambda each: each.create_time())

    def worker(self, number: int) -> psutil.Process:
        """Return the worker with this number."""
        for each in self.workers():
            if json.loads(each.cmdline()[-1])["worker"]["number"] == number:
                return each
        raise LookupError(f"no worker {number}")

    def stop(self) -> int:
        """End the process as an operator does; return the exit code."""
        return self._end(signal.SIGTERM)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wav(self, session_id: str) -> Path:
        return self.folder / f"{session_id}.wav"

    def pcm(self, session_id: str) -> bytes:
        return self.wav(session_id).read_bytes()[80:]

    def manifest(self, session_id: str) -> Message:
        return dict(json.loads((self.folder / f"{session_id}.json").read_bytes()))

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=30, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        return requests.post(self.url + path, timeout=30, **options)

    def patch(self, path: str, **options: Any) -> requests.Response:
        return requests.patch(self.url + path, timeout=30, **options)

    def delete(self, path: str, **options: Any) -> requests.Response:
        return requests.delete(self.url + path, timeout=30, **options)

    @contextlib.asynccontextmanager
    async def connect(self, path: str = "", **query: Any) -> AsyncIterator["Client"]:
        """Open a WebSocket to ``/api/ws/audio`` + ``path`` without reading the greeting."""
        options = "&".join(f"{name}={value}" for name, value in query.items())
        async with connect(f"{self.ws_url}{path}?{options}", max_size=None) as socket:
            yield Client(socket)

    @contextlib.asynccontextmanager
    async def session(self, path: str = "", **query: Any) -> AsyncIterator["Client"]:
        """Open a WebSocket and read the greeting."""
        async with self.connect(path, **query) as client:
            client.greeting = await client.receive()
            yield client

    async def live(self, sessions: int) -> None:
        """Return when ``sessions`` sessions are live in the process: created or taken over."""

        async def live_sessions() -> int:
            health = await asyncio.to_thread(self.get, "/health")
            return int(health.json()["active_sessions"])

        await eventually(
            live_sessions, lambda found: found == sessions, awaiting=f"{sessions} live sessions"
        )

    async def record(self, audio: bytes, **query: Any) -> str:
        """Record ``audio`` as one chunk, complete the session, and return its id."""
        async with self.session(**query) as client:
            await client.socket.send(audio)
            await client.receive()
        self.post(f"/api/audio/sessions/{client.session_id}/close")
        return client.session_id

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(30)
        self._reader.join()
        self._stderr.close()
        return code


async def children_of(process: psutil.Process) -> list[psutil.Process]:
    """Wait for decoders of ``process``, which start after the first chunk, and return them."""
    return await eventually(
        lambda: [each for each in process.children(recursive=True) if _is_decoder(each)],
        awaiting="a decoder",
    )


def _is_decoder(process: psutil.Process) -> bool:
    """Return whether the process reads a stream; others only say what they can do."""
    with contextlib.suppress(psutil.Error):
        return "ffmpeg" in process.name() and "pipe:0" in process.cmdline()
    return False


class Client:
    """A WebSocket client that speaks the protocol."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.greeting: Message = {}

    @property
    def session_id(self) -> str:
        return str(self.greeting["session_id"])

    async def receive(self) -> Message:
        return dict(json.loads(await self.socket.recv()))

    async def send(self, chunk: bytes) -> Message:
        """Send one chunk and return its answer."""
        await self.socket.send(chunk)
        return await self.receive()

    async def control(self, action: str) -> Message:
        await self.socket.send(json.dumps({"type": "control", "action": action}))
        return await self.receive()

    async def close_session(self) -> Message:
        answer = await self.control("close_session")
        await self.socket.wait_closed()
        return answer

    async def closed(self) -> tuple[int | None, str | None]:
        await self.socket.wait_closed()
        return self.socket.close_code, self.socket.close_reason

    def drop(self) -> None:
        """Disconnect without a closing handshake."""
        self.socket.transport.abort()
