"""The door that every request and every handshake goes through, before anything else happens.

A page of another site can make its visitor's browser open WebSockets here, which no CORS rule
prevents (cross-site WebSocket hijacking), and can give itself a name that resolves to loopback
(DNS rebinding). So the origin is checked here, and the host of a service that is open.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from litestar import Litestar, Request
from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.exceptions import TooManyRequestsException
from litestar.middleware import ASGIMiddleware
from litestar.middleware.rate_limit import RateLimitConfig, RateLimitMiddleware
from litestar.stores.memory import MemoryStore
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.access.credentials import Authenticator
from api.access.identity import Caller, network_of
from api.wire.errors import (
    HostNotAllowedError,
    OriginNotAllowedError,
    RateLimitedError,
    ServiceError,
    wire,
)
from api.wire.messages import encode
from api.wire.openapi import error_body

AnyRequest = Request[Caller, Any, Any]

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_RATES = "rate_limit"  # the store of Litestar's middleware
_CREATING = {"/api/ws/audio", "/api/audio/sessions"}

_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_NOTHING = "default-src 'none'; frame-ancestors 'none'"


class Door(ASGIMiddleware):
    """Lets in whom the settings allow, and notes who it is; what for, others decide."""

    def __init__(
        self,
        authenticator: Authenticator,
        *,
        origins: tuple[str, ...],
        is_loopback_only: bool,
        pages: Mapping[str, str],
    ) -> None:
        """``pages`` has the content policy of each page, by its path."""
        self._authenticator = authenticator
        self._origins = origins
        self._is_loopback_only = is_loopback_only
        self._pages = pages

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        address = (scope.get("client") or ("",))[0]
        scope["user"] = Caller(address)
        try:
            self._must_be_ours(scope)
        except ServiceError as error:
            await refuse(scope, send, error)
            return
        try:
            identity = await self._authenticator.identify(scope)
            scope["user"] = Caller(address, identity)
        except ServiceError as error:
            # Whether it matters is for the endpoint to say, in the words of its protocol.
            scope["user"] = Caller(address, failure=error)
        if scope["type"] == ScopeType.HTTP:
            send = _with_security_headers(send, self._pages.get(scope["path"], _NOTHING))
        await next_app(scope, receive, send)

    def _must_be_ours(self, scope: Scope) -> None:
        headers = Headers.from_scope(scope)
        host = headers.get("host", "")
        if self._is_loopback_only and _hostname(f"//{host}") not in _LOOPBACK:
            raise HostNotAllowedError
        origin = headers.get("origin")
        if scope["type"] != ScopeType.WEBSOCKET or origin is None:
            return
        same_host = urlsplit(origin).netloc == host
        both_here = _hostname(origin) in _LOOPBACK and _hostname(f"//{host}") in _LOOPBACK
        if not (same_host or both_here or origin in self._origins or "*" in self._origins):
            raise OriginNotAllowedError


class RateLimit(RateLimitMiddleware):
    """Litestar's, for handshakes, too."""

    def __init__(self, app: ASGIApp, config: RateLimitConfig) -> None:
        super().__init__(app, config)
        self.scopes = {ScopeType.HTTP, ScopeType.WEBSOCKET}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except TooManyRequestsException:
            await refuse(scope, send, RateLimitedError())


def handshake_limit(per_minute: int) -> RateLimitConfig:
    """How many WebSockets one client may open."""

    async def is_handshake(request: AnyRequest) -> bool:
        return _type(request.scope) == ScopeType.WEBSOCKET

    return RateLimitConfig(
        ("minute", per_minute),
        identifier_for_request=lambda request: f"handshakes {network_of(request.user.address)}",
        check_throttle_handler=is_handshake,
        middleware_class=RateLimit,
        set_rate_limit_headers=False,
        store=_RATES,
    )


def creation_limit(per_minute: int) -> RateLimitConfig:
    """How many sessions one user may create, or one client, where there are no users."""

    async def is_creating(request: AnyRequest) -> bool:
        is_post = request.scope.get("method", "POST") == "POST"  # a handshake has no method here
        return is_post and request.scope["path"].rstrip("/") in _CREATING

    def creator(request: AnyRequest) -> str:
        caller: Caller = request.user
        user = caller.identity.user if caller.identity else None
        return f"sessions of {user}" if user else f"sessions from {network_of(caller.address)}"

    return RateLimitConfig(
        ("minute", per_minute),
        identifier_for_request=creator,
        check_throttle_handler=is_creating,
        middleware_class=RateLimit,
        set_rate_limit_headers=False,
        store=_RATES,
    )


async def forget_rates(app: Litestar, *, every_seconds: float = 60.0) -> None:
    """Until cancelled, let go of clients that were not seen for a while: the store does not."""
    while True:
        await asyncio.sleep(every_seconds)
        await cast("MemoryStore", app.stores.get(_RATES)).delete_expired()


async def refuse(scope: Scope, send: Send, error: ServiceError) -> None:
    """Answer a request, or a handshake, before it reaches its handler."""
    body = encode(error_body(error))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    if isinstance(error, RateLimitedError):
        headers.append((b"retry-after", str(error.retry_after_seconds).encode()))
    kind = "http" if scope["type"] == ScopeType.HTTP else "websocket.http"
    status = wire(error).http_status
    await send({"type": f"{kind}.response.start", "status": status, "headers": headers})  # type: ignore[arg-type,misc]
    await send({"type": f"{kind}.response.body", "body": body})  # type: ignore[arg-type]


def _with_security_headers(send: Send, content_policy: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableScopeHeaders(message)
            headers.setdefault("Content-Security-Policy", content_policy)
            for name, value in _SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending


def _type(scope: Scope) -> ScopeType:
    """Litestar's middleware takes every connection for a request."""
    return cast("ScopeType", scope["type"])


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
