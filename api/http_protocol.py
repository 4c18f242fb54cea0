"""uvicorn's HTTP protocol with what it lacks: a time and a size within which a request has arrived.

Every WebSocket begins here, too. Whoever opens connections and says little, or never comes to an
end, is answered and let go.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# The request line and all headers. The longest honest ones carry a token of a few kilobytes.
_MAX_HEAD_BYTES = 32 * 1024


class BoundedHttpProtocol(HttpToolsProtocol):
    """Answers 408 to a request that is late, 431 to one whose head has no end."""

    def __init__(self, *args: Any, request_seconds: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request_seconds = request_seconds
        self._deadline: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._has_head = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._expect_request()  # the next one on a connection that is kept alive
        if not self._has_head:
            end = data.find(b"\r\n\r\n")
            self._head_bytes += len(data) if end < 0 else end
            if self._head_bytes > _MAX_HEAD_BYTES:
                self._refuse(b"431 Request Header Fields Too Large")
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self._has_head = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._end_deadline()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._end_deadline()
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_deadline()
        super().connection_lost(exc)

    def _expect_request(self) -> None:
        self._has_head, self._head_bytes = False, 0
        self._deadline = self.loop.call_later(
            self._request_seconds, self._refuse, b"408 Request Timeout"
        )

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: bytes) -> None:
        self._end_deadline()
        self.transport.write(
            b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )
        self.transport.close()
