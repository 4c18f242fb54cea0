"""The WebSocket protocol class with an ASGI application of the test, driven with bytes.

The transport records what the protocol does. As a real one, it delivers nothing while reading is
paused.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, NamedTuple

import uvicorn
from uvicorn.server import ServerState
from websockets.exceptions import ProtocolError
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.protocol import CLIENT, OPEN, Protocol
from websockets.server import ServerProtocol

from api.message_callback import set_message_callback
from api.server.round_robin import RoundRobin
from api.server.transport import WatchedTransport
from api.server.websocket_protocol import WebSocketProtocol
from tests.bad_clients import HANDSHAKE

Message = str | bytes
MAX_MESSAGE_BYTES = 2000
_ROUNDS = 10_000  # of the loop, until what was sent has been processed
_ANSWER = b"taken"


class Outcome(NamedTuple):
    """What a server makes of a client's bytes: the messages, and its control frames in order."""

    messages: list[Message]
    controls: list[tuple[Opcode, bytes]]

    @property
    def close(self) -> tuple[int, str] | None:
        """Return the code and the reason of the server's close frame."""
        closes = [data for opcode, data in self.controls if opcode is Opcode.CLOSE]
        if not closes:
            return None
        close = Close.parse(closes[0])
        return int(close.code), close.reason


class Transport(asyncio.Transport):
    """A transport that records what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.is_paused = False
        self._is_closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 4711) if name in {"peername", "sockname"} else default

    def write(self, data: Any) -> None:
        assert not self._is_closing
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        assert not self.is_paused
        self.is_paused = True

    def resume_reading(self) -> None:
        assert self.is_paused
        self.is_paused = False

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._is_closing = True

    def abort(self) -> None:
        self._is_closing = True


class Handler:
    """An ASGI application that collects messages.

    It takes a share ``taken`` of the binary messages in its callback, and has none if that is
    None. It is ``busy`` for as many iterations of the loop after every message.
    """

    def __init__(self, *, taken: float | None, busy: int = 0, seed: int = 0) -> None:
        self.messages: list[Message] = []
        self._taken = taken
        self._busy = busy
        self._random = random.Random(seed)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        if self._taken is not None:
            set_message_callback(scope, self._take)
        while (event := await receive())["type"] == "websocket.receive":
            data = event.get("bytes")
            self.messages.append(event["text"] if data is None else data)
            for _ in range(self._busy):
                await asyncio.sleep(0)

    def _take(self, message: bytes) -> bytes | None:
        assert self._taken is not None
        if self._random.random() >= self._taken:
            return None
        self.messages.append(message)
        return _ANSWER


class Conversation:
    """A connection whose client's bytes come from the test."""

    def __init__(self, handler: Callable[[Any, Any, Any], Awaitable[None]]) -> None:
        self.transport = Transport()
        self._state = ServerState()
        config = uvicorn.Config(
            handler,
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_ping_interval=None,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
        )
        config.load()
        self.protocol = WebSocketProtocol(config, self._state, {}, round_robin=RoundRobin())
        watched: Any = WatchedTransport(self.transport, stall_seconds=30)
        self.protocol.connection_made(watched)
        self.protocol.data_received(HANDSHAKE)

    async def settle(self) -> None:
        """Return when the protocol reads, and the handler waits for a message."""
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)
            is_reading = not self.transport.is_paused and self.protocol.queue.is_awaited
            if is_reading or self.transport.is_closing():
                return
        raise AssertionError("the protocol does not read any more")

    async def end(self) -> None:
        """Lose the connection; return when the handler has returned. Raise what it raises."""
        self.protocol.connection_lost(None)
        await asyncio.gather(*self._state.tasks)


async def outcome_of(pieces: Sequence[bytes], handler: Handler) -> Outcome:
    """Return what the class makes of ``pieces``, each of which one read returns."""
    conversation = Conversation(handler)
    await conversation.settle()
    for piece in pieces:
        if conversation.transport.is_closing():
            break
        conversation.protocol.data_received(piece)
        await conversation.settle()
    await conversation.end()
    return Outcome(handler.messages, list(_controls(conversation.transport.written)))


def expected_of(data: bytes) -> Outcome:
    """Return what websockets' sans-I/O protocol makes of ``data``."""
    protocol = ServerProtocol(state=OPEN, max_size=MAX_MESSAGE_BYTES)
    messages: list[Message] = []
    written, fragments, opcode = b"", b"", Opcode.BINARY
    for byte in data:
        protocol.receive_data(bytes([byte]))
        for event in protocol.events_received():
            assert isinstance(event, Frame)
            if event.opcode not in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
                continue
            if event.opcode is not Opcode.CONT:
                fragments, opcode = b"", event.opcode
            fragments += bytes(event.data)
            if event.fin and opcode is Opcode.BINARY:
                messages.append(fragments)
            elif event.fin:
                try:
                    messages.append(fragments.decode())
                except UnicodeDecodeError:
                    protocol.fail(CloseCode.INVALID_DATA, "invalid UTF-8")
        written += b"".join(protocol.data_to_send())
        if protocol.close_sent is not None:
            break
    return Outcome(messages, list(_controls(written)))


def _controls(written: bytes | bytearray) -> Iterator[tuple[Opcode, bytes]]:
    """Yield the control frames among the frames of the server, behind the handshake."""
    head, _, frames = bytes(written).rpartition(b"\r\n\r\n")
    assert not head or head.startswith(b"HTTP/1.1 101 ")
    client = Protocol(CLIENT, state=OPEN)
    client.receive_data(frames)
    if isinstance(client.parser_exc, ProtocolError):
        raise client.parser_exc
    for event in client.events_received():
        assert isinstance(event, Frame)
        if event.opcode in {Opcode.PONG, Opcode.CLOSE}:
            yield event.opcode, bytes(event.data)
        else:
            assert event.data == _ANSWER
