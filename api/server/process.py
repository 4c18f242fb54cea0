"""The uvicorn server of this process, with the service's protocol classes and limits."""

import functools
import gc
import logging
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any, cast

import uvicorn
from litestar import Litestar

from api.access.proxies import TrustedProxies
from api.server.forwarded import ForwardedHeaders
from api.server.handover import Handover
from api.server.http_protocol import BoundedHttpProtocol, PendingRequests
from api.server.round_robin import RoundRobin
from api.server.websocket_protocol import MAX_TEXT_BYTES, WebSocketProtocol
from api.settings import Settings

logger = logging.getLogger(__name__)

# uvicorn waits this long for connections to end before it cancels them. Then the service persists
# every recording; both must fit into ten seconds.
_GRACEFUL_SECONDS = 4

# So many collections of the middle generation come before a full one; Python's default is ten.
_MIDDLE_COLLECTIONS = 100


class Server(uvicorn.Server):
    """Logs its URL, as uvicorn does for sockets that it opened itself.

    ``stopping`` is called when a signal begins the shutdown.
    """

    def __init__(self, config: uvicorn.Config, stopping: Callable[[], None]) -> None:
        super().__init__(config)
        self._stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._stopping()
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            log_url(self.config.host, self.config.port)
            prepare_collections()


def prepare_collections() -> None:
    """Make full garbage collections short and rare, because the event loop answers no client then.

    They skip what exists now: nearly all of it lives until the exit, and what the imports have made
    takes a tenth of a second. So do the objects of a thousand sessions. These need no collection
    when they end (`api.weak_method`), and so a full one comes once for some thousand new sessions.
    """
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _MIDDLE_COLLECTIONS)


def log_url(host: str, port: int) -> None:
    """Log where the service is reached."""
    logger.info("Uvicorn running on %s (Press CTRL+C to quit)", http_url(host, port))
    logger.info("Open %s", _page_url(host, port))


def _page_url(host: str, port: int) -> str:
    """Return the page's URL for a browser on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared only
    return f"{http_url(host, port)}/"


def http_url(host: str, port: int) -> str:
    """Return the URL of a host or address; an IPv6 address needs brackets (RFC 3986, 3.2.2)."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def server_config(
    settings: Settings, app: Litestar, host: str, port: int, handover: Handover | None = None
) -> uvicorn.Config:
    """Return the configuration of the server of ``app``; the log shows ``host`` and ``port``.

    ``handover``: this process is one of several workers, which forward requests to each other.
    """
    proxies = TrustedProxies(settings.listed_proxies)
    has_proxies = settings.trusted_proxies or handover is not None
    return uvicorn.Config(
        cast("Any", ForwardedHeaders(app, proxies)) if has_proxies else app,
        host=host,
        port=port,
        workers=1,  # overrides WEB_CONCURRENCY: `api.workers` starts workers
        loop="uvloop",
        http=cast(
            "Any",
            functools.partial(
                BoundedHttpProtocol,
                request_seconds=settings.handshake_timeout_seconds,
                write_seconds=settings.write_timeout_seconds,
                pending=PendingRequests(settings.max_pending_requests),
                handover=handover,
            ),
        ),
        ws=cast(
            "Any",
            functools.partial(
                WebSocketProtocol, max_text_bytes=MAX_TEXT_BYTES, round_robin=RoundRobin()
            ),
        ),
        ws_max_size=settings.max_message_size_bytes,
        ws_ping_interval=settings.ping_interval_seconds,
        ws_ping_timeout=settings.ping_timeout_seconds,
        lifespan="on",  # otherwise uvicorn serves although the application could not start
        ws_per_message_deflate=False,
        proxy_headers=False,  # `ForwardedHeaders` does it
        timeout_graceful_shutdown=_GRACEFUL_SECONDS,
        log_config=None,  # `api.observe.logs` configures logging
        log_level=settings.log_level,
    )
