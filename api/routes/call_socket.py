"""The WebSocket of a telephone or voice platform, which gets no message of the native protocol."""

import asyncio
import collections
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from api.clock import Clock
from api.dialects.detection import Handshake
from api.dialects.events import CallError
from api.observe.metrics import Metrics
from api.routes.client_socket import ClientSocket, RawWebSocket
from api.wire.messages import ServerMessage

# What ends a connection without a close frame of the platform: RFC 6455, section 7.4.1. The others
# are violations of the protocol, and a node that goes away.
_LOST = {1002, 1006, 1007, 1009, 1012}

# What a connection may send before its session is known: 20 s of the most that platforms send.
_MAX_FIRST_BYTES = 4 * 1024 * 1024
_HOLD_AFTER_SECONDS = 0.1  # before, the kernel buffers what arrives
_MESSAGE_BYTES = 300  # of memory, beside the payload

_T = TypeVar("_T")


class CallSocket(ClientSocket):
    """Says with the close code alone what a native client gets as a message, too."""

    record_held: Callable[[], Awaitable[None]] | None = None  # once the call is recorded

    def __init__(self, socket: RawWebSocket, clock: Clock, metrics: Metrics) -> None:
        super().__init__(socket, clock, metrics, "recorder")
        self._first: list[Any] | None = []
        self._first_bytes = 0
        self._held: collections.deque[Any] = collections.deque()

    @property
    def is_full(self) -> bool:
        """Return whether no more messages can be kept, so that none is received."""
        return self._first_bytes > _MAX_FIRST_BYTES

    async def receive(self) -> Any:
        """Return the next message, or the end of the connection.

        Raises `CallError` if there are too many before the session is known.
        """
        if self._held:
            await asyncio.sleep(0)  # thousands may be held: let others run in between
            return self._held.popleft()
        message = await self.socket.receive()
        if self._first is not None:
            self._keep(message)
            if self.is_full:
                raise CallError("too much data in front of the metadata of a call")
        return message

    async def hold_during(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Return the result of ``work``; hold messages that arrive meanwhile for :meth:`receive`.

        Platforms drop audio if the service does not read.
        """
        working = asyncio.create_task(work)
        receiving: asyncio.Task[Any] | None = None
        try:
            await asyncio.wait({working}, timeout=_HOLD_AFTER_SECONDS)
            while not working.done():
                if receiving is None and self._may_hold():
                    receiving = asyncio.ensure_future(self.socket.receive())
                waiting = {working} if receiving is None else {working, receiving}
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if receiving is not None and receiving.done():
                    self._hold(receiving.result())
                    receiving = None
            return working.result()
        finally:
            working.cancel()
            if receiving is not None:
                receiving.cancel()
                for message in await asyncio.gather(receiving, return_exceptions=True):
                    if isinstance(message, dict):  # it came just now
                        self._hold(message)

    def take_first(self) -> list[Any]:
        """Return the messages since the connection began, and keep no more of them."""
        first, self._first = self._first or [], None
        return first

    def _may_hold(self) -> bool:
        is_open = not self._held or self._held[-1]["type"] == "websocket.receive"
        return is_open and not self.is_full

    def _hold(self, message: Any) -> None:
        self._held.append(message)
        self._keep(message)

    def _keep(self, message: Any) -> None:
        assert self._first is not None
        self._first.append(message)
        payload = message.get("bytes") or message.get("text") or ""
        self._first_bytes += _MESSAGE_BYTES + len(payload)

    async def hand_over(self) -> None:
        if self.record_held is not None:
            await self.record_held()

    async def send(self, message: ServerMessage) -> None:
        """Send nothing: platforms take unknown messages for commands, or for errors."""

    async def send_reply(self, text: str) -> None:
        """Send a text that the platform waits for; do nothing if it has disconnected."""
        if self._closed:
            return
        try:
            await self.socket.send({"type": "websocket.send", "bytes": None, "text": text})
        except OSError:
            self._closed = True

    async def close(self) -> None:
        """Close the connection, which has recorded nothing, without an error."""
        if not self._closed:
            self.note_close(1000)
            self._closed = True
            with contextlib.suppress(OSError):
                await self.socket.close(1000)

    def note_disconnect(self, code: object) -> bool:
        """Note the end of the connection; return whether the platform has sent a close frame."""
        is_own = self._closed
        self.note_close(code)
        self._closed = True
        return not is_own and code not in _LOST


def handshake_of(socket: RawWebSocket) -> Handshake:
    """Return what of the handshake shows the dialect."""
    return Handshake(
        headers={name.lower(): value for name, value in socket.headers.items()},
        query=dict(socket.query_params),
        subprotocols=tuple(socket.scope["subprotocols"]),
    )
