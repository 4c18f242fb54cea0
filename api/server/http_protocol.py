"""uvicorn's HTTP protocol with limits on the time and the size of a request.

A WebSocket handshake is an HTTP request, so the limits apply to it too. A client that opens a
connection and does not complete its request in time gets an error status, and the connection is
closed. If a client does not read a response, the connection is aborted.
"""

import asyncio
import sys
from typing import Any

from httptools import HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.server.handover import Handover
from api.server.transport import WatchedTransport

# Limit for the request line with all headers, and for the framing between two pieces of a body.
# The longest legitimate headers contain a token of a few kilobytes.
_MAX_HEAD_BYTES = 32 * 1024

# Requests on one connection that wait for the responses to earlier requests.
_MAX_PIPELINED_REQUESTS = 100


class PendingRequests:
    """The connections with an incomplete request. One above the limit closes the oldest with 503.

    A legitimate client sends its request as soon as it is connected, so the oldest connections
    are those that stall.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._protocols: dict[BoundedHttpProtocol, None] = {}

    def add(self, protocol: "BoundedHttpProtocol") -> None:
        self._protocols[protocol] = None
        if len(self._protocols) > self._limit:
            next(iter(self._protocols)).refuse(b"503 Service Unavailable")

    def discard(self, protocol: "BoundedHttpProtocol") -> None:
        self._protocols.pop(protocol, None)


class BoundedHttpProtocol(HttpToolsProtocol):
    """Responds with 408 to a late request, and with 431 to a request with too long a head."""

    url: bytes  # uvicorn sets it when a request begins

    def __init__(
        self,
        *args: Any,
        request_seconds: float,
        write_seconds: float,
        pending: PendingRequests,
        handover: Handover | None = None,
        **kwargs: Any,
    ) -> None:
        """``handover`` gives WebSockets to the worker that has their session."""
        super().__init__(*args, **kwargs)
        self._handover = handover
        self._received_before: bytes | None = None
        self._write_seconds = write_seconds
        self._request_seconds = request_seconds
        self._pending = pending
        self._deadline: asyncio.TimerHandle | None = None
        self._has_head = False
        self._head_bytes = 0
        self._data = b""
        self._active_cycle: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        watched: Any = WatchedTransport(transport, stall_seconds=self._write_seconds)
        super().connection_made(watched)
        self._expect_request()
        if self._received_before is not None:
            self.data_received(self._received_before)
            self._received_before = None

    def resume_handover(self, received: bytes) -> None:
        """Serve a connection from which another worker has ``received``. Call it first."""
        self._received_before = received
        self._handover = None  # it is the owner, or was when the other worker looked

    def pause_writing(self) -> None:
        super().pause_writing()
        self.transport.watch()  # type: ignore[attr-defined]

    def resume_writing(self) -> None:
        self.transport.unwatch()  # type: ignore[attr-defined]
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._expect_request()  # the next request on a kept-alive connection
        if self._has_head:
            self._head_bytes += len(data)  # `on_body` resets it
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
            raise ValueError("too many pipelined requests")  # uvicorn responds with 400
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._has_head, self._head_bytes = True, 0
        super().on_headers_complete()
        if self._handover is not None and self.scope["method"] == "POST":
            # It may create a session. The next one should get the worker with least to do, which
            # only a new connection reaches.
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._cancel_deadline()
        self._has_head, self._head_bytes = False, 0
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Start the WebSocket; pass it the frames that the client sent along with the request."""
        self._cancel_deadline()
        upgrade = sys.exception()
        if self._is_handed_over(upgrade):
            return
        super().handle_websocket_upgrade()
        # It would keep this object alive. uvicorn drops it only when an HTTP connection is lost.
        self.parser = None  # type: ignore[assignment]
        protocol: Any = self.transport.get_protocol()
        if not protocol.handshake_initiated:  # uvicorn does not respond to a bad handshake
            self.refuse(b"400 Bad Request")
        elif isinstance(upgrade, HttpParserUpgrade) and (rest := self._data[upgrade.args[0] :]):
            protocol.data_received(rest)

    def _is_handed_over(self, upgrade: BaseException | None) -> bool:
        """Return whether another worker serves the connection from now on."""
        if self._handover is None or not isinstance(upgrade, HttpParserUpgrade):
            return False
        request = [self.scope["method"].encode(), b" ", self.url, b" HTTP/1.1\r\n"]
        for name, value in self.scope["headers"]:
            request += [name, b": ", value, b"\r\n"]
        request += [b"\r\n", self._data[upgrade.args[0] :]]
        # What arrives from now on is for the other worker.
        self.transport.pause_reading()
        connection = self.transport.get_extra_info("socket")
        if not self._handover.offer(self.url, b"".join(request), connection):
            self.transport.resume_reading()
            return False
        self.transport.abort()
        return True

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._active_cycle = cycle
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        self.transport.lost()  # type: ignore[attr-defined]
        if self._active_cycle is not None:  # uvicorn notifies only the last pipelined request
            self._active_cycle.disconnected = True
            self._active_cycle.message_event.set()
        super().connection_lost(exc)

    def refuse(self, status: bytes) -> None:
        """Close the connection; send ``status`` unless a response is in progress."""
        self._cancel_deadline()
        if self.transport.is_closing():
            return
        cycle = self._active_cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self.transport.write(
                b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
        self.transport.close()

    def _expect_request(self) -> None:
        self._deadline = self.loop.call_later(
            self._request_seconds, self.refuse, b"408 Request Timeout"
        )
        self._pending.add(self)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
            self._pending.discard(self)
