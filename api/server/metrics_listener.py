"""The listener at METRICS_ADDRESS: it answers GET /metrics, to every client that reaches it.

Several workers share the socket; whichever accepts a connection answers for all of them.
It is open as long as the application runs, so also while the service stops.
"""

import asyncio
import contextlib
import functools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import uvicorn
from litestar.types import Receive, Scope, Send
from uvicorn.server import ServerState

from api.observe.exposition import CONTENT_TYPE
from api.server.http_protocol import BoundedHttpProtocol, PendingRequests

Exposition = Callable[[], Awaitable[bytes]]

_REQUEST_SECONDS = 5.0
_MAX_PENDING_REQUESTS = 16


@contextlib.asynccontextmanager
async def metrics_listener(listening: socket.socket, exposition: Exposition) -> AsyncIterator[None]:
    """Answer on a socket that listens while the context is open; then close it.

    Several workers may have the socket. A scrape then reaches any of them.
    """
    server = await asyncio.get_running_loop().create_server(
        _protocol_factory(exposition), sock=listening
    )
    try:
        yield
    finally:
        server.close()


class _UnloggedHttpProtocol(BoundedHttpProtocol):
    """Writes no line to the access log: scrapes are many, and all alike."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False


def _protocol_factory(exposition: Exposition) -> Callable[[], asyncio.Protocol]:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        is_found = scope["path"] == "/metrics" and scope.get("method") in {"GET", "HEAD"}
        body = await exposition() if is_found else b"GET /metrics\n"
        headers = [
            (b"content-type", CONTENT_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        status = 200 if is_found else 404
        await send(cast("Any", {
            "type": "http.response.start", "status": status, "headers": headers,
        }))  # fmt: skip
        await send(cast("Any", {"type": "http.response.body", "body": body}))

    # Not with `access_log=False`, which silences the log of the whole process.
    config = uvicorn.Config(cast("Any", answer), ws="none", lifespan="off", log_config=None)
    config.load()
    return functools.partial(
        _UnloggedHttpProtocol,
        config=config,
        server_state=ServerState(),
        app_state={},
        request_seconds=_REQUEST_SECONDS,
        write_seconds=_REQUEST_SECONDS,
        pending=PendingRequests(_MAX_PENDING_REQUESTS),
    )
