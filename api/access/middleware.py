"""The middleware of every request and every WebSocket handshake: host, origin, caller.

A page of another site can make its visitor's browser open WebSockets to the service; CORS does
not apply to them (cross-site WebSocket hijacking). So the middleware checks the origin. Such a
page can also have a name that resolves to loopback (DNS rebinding). So, if AUTH_MODE is not set,
the middleware checks the host.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.access.credentials import Authenticator
from api.access.identity import Caller
from api.wire.error_answers import refuse
from api.wire.errors import HostNotAllowedError, OriginNotAllowedError, ServiceError

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}

_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_DENY_ALL = "default-src 'none'; frame-ancestors 'none'"


class AuthMiddleware(ASGIMiddleware):
    """Checks host and origin, and adds the caller to the ASGI scope.

    Each endpoint checks the caller's scopes itself: see `api.access.authorization`.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        *,
        origins: tuple[str, ...],
        is_loopback_only: bool,
        pages: Mapping[str, str],
    ) -> None:
        """Create the middleware; ``pages`` maps the path of each page to its content policy."""
        self._authenticator = authenticator
        self._origins = origins
        self._is_loopback_only = is_loopback_only
        self._pages = pages

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        address = (scope.get("client") or ("",))[0]
        scope["user"] = Caller(address)
        try:
            self._check_host_and_origin(scope)
        except ServiceError as error:
            await refuse(scope, send, error)
            return
        try:
            identity = await self._authenticator.identify(scope)
            scope["user"] = Caller(address, identity)
        except ServiceError as error:
            # Endpoints that need an identity raise it, and so answer over HTTP or WebSocket.
            scope["user"] = Caller(address, failure=error)
        if scope["type"] == ScopeType.HTTP:
            send = _with_security_headers(send, self._pages.get(scope["path"], _DENY_ALL))
        await next_app(scope, receive, send)

    def _check_host_and_origin(self, scope: Scope) -> None:
        headers = Headers.from_scope(scope)
        host = headers.get("host", "")
        if self._is_loopback_only and _hostname(f"//{host}") not in _LOOPBACK:
            raise HostNotAllowedError
        origin = headers.get("origin")
        if scope["type"] != ScopeType.WEBSOCKET or origin is None:
            return
        is_same_host = urlsplit(origin).netloc == host
        are_loopback = _hostname(origin) in _LOOPBACK and _hostname(f"//{host}") in _LOOPBACK
        if not (is_same_host or are_loopback or origin in self._origins or "*" in self._origins):
            raise OriginNotAllowedError


def _with_security_headers(send: Send, content_policy: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableScopeHeaders(message)
            headers.setdefault("Content-Security-Policy", content_policy)
            for name, value in _SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
