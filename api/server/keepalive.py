"""Pings: whether a client is still there.

Besides pongs, everything counts that a client sends while it reads. A handler may ask as well
(`api.liveness`).
"""

import asyncio
from typing import Any, cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request

from api.liveness import EXTENSION
from api.server.round_robin import RoundRobinProtocol

# How long a client may take to answer a ping that a handler has asked for: a packet that is lost on
# the way is sent three times in it.
_ANSWER_SECONDS = 2.0

# If a timer fires later than this, the process was stopped or overloaded.
_LATE_SECONDS = 1.0


class KeepaliveProtocol(RoundRobinProtocol):
    """Closes connections whose client answers no ping. ``has_traffic`` is set by all input."""

    __slots__ = ("has_traffic",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.has_traffic = False  # something has arrived since the last ping
        self._asking: asyncio.Task[bool] | None = None
        self._answer: asyncio.Future[bool] | None = None  # whether a pong has arrived, not the end

    @property
    def extensions(self) -> dict[str, Any]:
        """Return what the scope of the handler offers, by the names of ASGI extensions."""
        return {EXTENSION: self._is_alive}

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.close_sent:
            cast("Any", self.scope["extensions"]).update(self.extensions)

    def data_received(self, data: bytes) -> None:
        self.has_traffic = True
        super().data_received(data)

    def send_keepalive_ping(self) -> None:
        self.has_traffic = False
        super().send_keepalive_ping()

    def handle_pong(self, event: Frame) -> None:
        """Take every pong for an answer: LiveKit sends one with a payload of its own."""
        if self.pending_ping_payload is not None:
            event = Frame(Opcode.PONG, self.pending_ping_payload)
        super().handle_pong(event)
        self._set_answer(is_alive=True)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._set_answer(is_alive=False)

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        # They belong to this object and would keep it alive, because the object has the scope.
        for name in self.extensions:
            cast("Any", self.scope["extensions"]).pop(name, None)

    def keepalive_timeout(self) -> None:
        """Close, unless the client sends anything and reads, or the pong may have arrived.

        The latter is so after the process was stopped or overloaded, and while messages that
        arrived before the pong wait for the handler, unless it waits for the client to read.
        """
        late_seconds = self.loop.time() - self.ping_sent_at - (self.ping_timeout or 0.0)
        if late_seconds > _LATE_SECONDS or (self.read_paused and self.writable.is_set()):
            self.ping_sent_at = self.loop.time()
            self.pong_timer = self.loop.call_later(self.ping_timeout or 0, self.keepalive_timeout)
        elif self.has_traffic and self.writable.is_set():
            self.pong_timer = self.pending_ping_payload = None
            self.schedule_ping()
        else:
            super().keepalive_timeout()

    async def _is_alive(self) -> bool:
        """Send a ping; return False if the connection is ending, or ends because of no answer."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return False
        if self._asking is None or self._asking.done():
            self._asking = self.loop.create_task(self._ask())
        return await asyncio.shield(self._asking)

    async def _ask(self) -> bool:
        """Send a ping and wait for the pong; close if nothing at all arrives instead.

        A connection counts as alive while its messages wait for the handler, and if the process was
        stopped or overloaded, because the pong may have arrived.
        """
        answer: asyncio.Future[bool] = self.loop.create_future()
        self._answer = answer
        self.has_traffic, asked_at = False, self.loop.time()
        self.conn.send_ping(b"alive?")
        self.transport.write(b"".join(self.conn.data_to_send()))
        await asyncio.wait([answer], timeout=_ANSWER_SECONDS)
        if answer.done():
            return answer.result()
        late_seconds = self.loop.time() - asked_at - _ANSWER_SECONDS
        if self.has_traffic or self.read_paused or late_seconds > _LATE_SECONDS:
            return True
        super().keepalive_timeout()
        return False

    def _set_answer(self, *, is_alive: bool) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(is_alive)
