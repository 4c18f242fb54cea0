"""Connections that send chunks at a fixed pace or in ping-pong, with little CPU of their own."""

import asyncio
import collections
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar, cast

from bench.load_client import binary_frame, handshake, text_frame

_WARM_UP_SECONDS = 2.0
_ROUND_SECONDS = 1.0
_ANSWER_SECONDS = 30.0  # for all answers after the last chunk
S = TypeVar("S")

_CLOSE_FRAME = text_frame('{"type": "control", "action": "close_session"}')


class Load(NamedTuple):
    """``connections`` send ``frames`` in a loop, one each ``interval_seconds``.

    If the interval is 0, each connection sends the next frame after the answer to the last one.
    """

    name: str
    connections: int
    query: str
    frames: Sequence[bytes]
    interval_seconds: float = 0.0
    greeting: bytes = b""  # sent once, before the frames


class Connection(asyncio.Protocol):
    """One connection. ``answers`` counts its text messages, ``delays`` has the seconds to each."""

    def __init__(self, load: Load) -> None:
        self.greeting = b""  # the first message of the server
        self.answers = 0
        self.sent = 0
        self.delays: list[float] = []
        self._loop = asyncio.get_running_loop()
        self._interval_seconds = load.interval_seconds
        self._frames = itertools.cycle(load.frames)
        self._unread = b""
        self._is_open = False
        self._sent_at: collections.deque[float] = collections.deque()
        self._due = self._end = 0.0
        self._changed = asyncio.Event()
        self._has_sent_all = asyncio.Event()
        self._has_sent_all.set()

    async def open(self, load: Load, path: str, greetings: int) -> None:
        """Open the WebSocket, and return after ``greetings`` messages of the server."""
        self._transport.write(handshake(f"{path}{load.query}"))
        await self._wait_for_answers(greetings)
        if load.greeting:
            self._transport.write(load.greeting)
            await self._wait_for_answers(greetings + 1)
        self.answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _: Exception | None) -> None:
        self._changed.set()

    def data_received(self, data: bytes) -> None:
        data = self._unread + data
        if not self._is_open:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._unread = head
                return
            assert head.startswith(b"HTTP/1.1 101 "), head
            self._is_open = True
            self._changed.set()
        at = 0
        while len(data) - at >= 2:
            head_bytes, length = 2, data[at + 1]
            if length == 126:
                head_bytes, length = 4, int.from_bytes(data[at + 2 : at + 4], "big")
            end_at = at + head_bytes + length
            if len(data) < end_at:
                break
            self._receive(data[at], data[at + head_bytes : end_at])
            at = end_at
        self._unread = data[at:]

    def start(self, seconds: float, *, delay_seconds: float) -> None:
        """Send for ``seconds``, first after ``delay_seconds``."""
        self._due = self._loop.time() + delay_seconds
        self._end = self._due + seconds
        self._has_sent_all.clear()
        self._loop.call_at(self._due, self._send)

    async def finish(self) -> None:
        """Return after all answers have arrived."""
        await self._has_sent_all.wait()
        await self._wait_for_answers(self.sent)

    async def close_session(self) -> None:
        """Close the session, and return after the final message."""
        self._transport.write(_CLOSE_FRAME)
        await self._wait_for_answers(self.sent + 1)

    def close(self) -> None:
        self._transport.abort()

    def _receive(self, first: int, payload: bytes) -> None:
        if first == 0x89:  # a ping: the server drops a client that does not answer
            self._transport.write(b"\x8a" + binary_frame(payload)[1:])
            return
        if first == 0x88 and self.answers:  # the session is closed
            return
        assert first == 0x81, payload
        self.greeting = self.greeting or payload
        self.answers += 1
        self._changed.set()
        if self._sent_at:
            self.delays.append(self._loop.time() - self._sent_at.popleft())
        if not self._interval_seconds and not self._has_sent_all.is_set():
            self._send()

    def _send(self) -> None:
        if self._loop.time() >= self._end:
            self._has_sent_all.set()
            return
        self._send_frame()
        if self._interval_seconds:
            self._due += self._interval_seconds
            self._loop.call_at(self._due, self._send)

    def _send_frame(self) -> None:
        self.sent += 1
        self._sent_at.append(self._loop.time())
        self._transport.write(next(self._frames))

    async def _wait_for_answers(self, count: int) -> None:
        async with asyncio.timeout(_ANSWER_SECONDS):
            while not self._is_open or self.answers < count:
                assert not self._transport.is_closing(), "the server closed the connection"
                self._changed.clear()
                await self._changed.wait()


def payload(frame: bytes) -> bytes:
    """Return the payload of a frame that `bench.load_client.binary_frame` has made."""
    head_bytes = {126: 4, 127: 10}.get(frame[1] & 0x7F, 2)
    return frame[head_bytes + 4 :]


async def connect(load: Load, port: int, path: str, *, greetings: int) -> list[Connection]:
    """Open the connections of ``load``; the server begins with that many ``greetings``."""
    loop, opened = asyncio.get_running_loop(), []
    for _ in range(load.connections):
        _, connection = await loop.create_connection(lambda: Connection(load), "127.0.0.1", port)
        await connection.open(load, path, greetings)
        opened.append(connection)
    return opened


async def run(load: Load, connections: Sequence[Connection], seconds: float) -> int:
    """Send for ``seconds``, wait for all answers, and return the number of chunks."""
    before = sum(connection.sent for connection in connections)
    for number, connection in enumerate(connections):
        delay_seconds = load.interval_seconds * number / len(connections)
        connection.start(seconds, delay_seconds=delay_seconds)
    await asyncio.gather(*(connection.finish() for connection in connections))
    return sum(connection.sent for connection in connections) - before


async def sample(
    load: Load, servers: Sequence[Sequence[Connection]], rounds: int, measure: Callable[[], S]
) -> list[S]:
    """Send to all servers at the same time, without a pause, through the connections of each.

    Return what ``measure`` returns before the first round of a second and after each.
    """
    async with asyncio.TaskGroup() as group:
        seconds = _WARM_UP_SECONDS + (rounds + 1) * _ROUND_SECONDS
        for connections in servers:
            group.create_task(run(load, connections, seconds))
        await asyncio.sleep(_WARM_UP_SECONDS)
        samples = [measure()]
        for _ in range(rounds):
            await asyncio.sleep(_ROUND_SECONDS)
            samples.append(measure())
    return samples
