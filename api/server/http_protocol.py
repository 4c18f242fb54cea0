"""uvicorn's HTTP protocol with what it lacks: a time and a size within which a request has arrived.

Every WebSocket begins here, too. Whoever opens connections and says little, or never comes to an
end, is answered and let go.
"""

import asyncio
import sys
from typing import Any

from httptools import HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

# The request line and all headers, or what stands between two pieces of a body. The longest
# honest ones carry a token of a few kilobytes.
_MAX_HEAD_BYTES = 32 * 1024

# Requests that wait for the answers to those before them on the same connection.
_MAX_PIPELINED_REQUESTS = 100


class PendingRequests:
    """Connections whose request is still to come. One too many, and the oldest is let go.

    An honest request follows its connection at once, so that those who stall are the oldest.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._protocols: dict[BoundedHttpProtocol, None] = {}

    def add(self, protocol: "BoundedHttpProtocol") -> None:
        self._protocols[protocol] = None
        if len(self._protocols) > self._most:
            next(iter(self._protocols)).refuse(b"503 Service Unavailable")

    def discard(self, protocol: "BoundedHttpProtocol") -> None:
        self._protocols.pop(protocol, None)


class BoundedHttpProtocol(HttpToolsProtocol):
    """Answers 408 to a request that is late, 431 to one whose head has no end."""

    def __init__(
        self, *args: Any, request_seconds: float, pending: PendingRequests, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._request_seconds = request_seconds
        self._pending = pending
        self._deadline: asyncio.TimerHandle | None = None
        self._has_head = False
        self._head_bytes = 0
        self._data = b""
        self._answering: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._expect_request()  # the next one on a connection that is kept alive
        if self._has_head:
            self._head_bytes += len(data)  # unless they are of the body
        else:
            end = data.find(b"\r\n\r\n")
            self._head_bytes += len(data) if end < 0 else end
            if self._head_bytes > _MAX_HEAD_BYTES:
                self.refuse(b"431 Request Header Fields Too Large")
                return
        self._data = data
        super().data_received(data)
        self._data = b""
        if self._head_bytes > _MAX_HEAD_BYTES:
            self.refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= _MAX_PIPELINED_REQUESTS:
            raise ValueError("too many requests at once")  # the answer is 400
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._has_head, self._head_bytes = True, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._end_deadline()
        self._has_head, self._head_bytes = False, 0
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Frames that came with the request, before its answer, are not lost."""
        self._end_deadline()
        upgrade = sys.exception()
        super().handle_websocket_upgrade()
        protocol: Any = self.transport.get_protocol()
        if not protocol.handshake_initiated:  # it says nothing of what it cannot parse
            self.refuse(b"400 Bad Request")
        elif isinstance(upgrade, HttpParserUpgrade) and (rest := self._data[upgrade.args[0] :]):
            protocol.data_received(rest)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_deadline()
        if self._answering is not None:  # uvicorn tells the last request of several, and no other
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def refuse(self, status: bytes) -> None:
        """Close the connection, with an answer unless it would stand amidst another."""
        self._end_deadline()
        if self.transport.is_closing():
            return
        answer = self._answering
        if answer is None or answer.response_complete or not answer.response_started:
            self.transport.write(
                b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
        self.transport.close()

    def _expect_request(self) -> None:
        self._deadline = self.loop.call_later(
            self._request_seconds, self.refuse, b"408 Request Timeout"
        )
        self._pending.add(self)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
            self._pending.discard(self)
