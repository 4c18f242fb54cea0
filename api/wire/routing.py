"""What Litestar's router lacks: HEAD for every GET, and 404 for a WebSocket to an unknown path.

A load balancer or a monitor may ask with HEAD wherever there is GET (RFC 9110, section 9.3.2).
Litestar routes HEAD only to handlers that declare it, and closes a WebSocket to an unknown path
before the handshake, which a client sees as 403 instead of 404.
"""

import contextlib

from litestar.enums import ScopeType
from litestar.exceptions import NotFoundException
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.wire.error_answers import refuse

_SENT_METHOD = "sent_method"


class Routing:
    """An ASGI application around Litestar's router."""

    def __init__(self, router: ASGIApp) -> None:
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.WEBSOCKET:
            await self._connect(scope, receive, send)
        elif scope["type"] == ScopeType.HTTP and scope["method"] == "HEAD":
            await self._head(scope, receive, send)
        else:
            await self._router(scope, receive, send)

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle the request as GET; end it after the headers, before the body is produced."""

        async def send_headers(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.start":
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                raise _HeadersSent

        get: Scope = {**scope, "method": "GET", _SENT_METHOD: "HEAD"}  # type: ignore[assignment]
        with contextlib.suppress(_HeadersSent):
            await self._router(get, receive, send_headers)
        if "path_template" in get:
            scope["path_template"] = get["path_template"]

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_or_refuse(message: Message) -> None:
            # The router sets the path template of a path that it knows.
            if message["type"] == "websocket.close" and "path_template" not in scope:
                await refuse(scope, send, NotFoundException())
            else:
                await send(message)

        await self._router(scope, receive, send_or_refuse)


class _HeadersSent(BaseException):
    """Ends a handler from inside ``send``; no ``except Exception`` on the way catches it."""


def sent_method(scope: Scope) -> str:
    """Return the method that the client sent: handlers of GET handle HEAD as well."""
    return str(scope.get(_SENT_METHOD, scope.get("method")))
