"""Rate limits on handshakes and new sessions. Each process counts in its own memory."""

import asyncio
from typing import Any, cast

from litestar import Litestar, Request
from litestar.enums import ScopeType
from litestar.exceptions import TooManyRequestsException
from litestar.middleware.rate_limit import RateLimitConfig, RateLimitMiddleware
from litestar.stores.memory import MemoryStore
from litestar.types import ASGIApp, Receive, Scope, Send

from api.access.identity import Caller, network_of
from api.access.refusals import refuse
from api.wire.errors import RateLimitedError

_RATES = "rate_limit"  # the store of Litestar's middleware
_CREATING = {"/api/ws/audio", "/api/audio/sessions"}


class RateLimit(RateLimitMiddleware):
    """Litestar's rate limit, applied to WebSocket handshakes too."""

    def __init__(self, app: ASGIApp, config: RateLimitConfig) -> None:
        super().__init__(app, config)
        self.scopes = {ScopeType.HTTP, ScopeType.WEBSOCKET}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except TooManyRequestsException:
            await refuse(scope, send, RateLimitedError())


def handshake_limit(per_minute: int) -> RateLimitConfig:
    """Return the limit on the WebSocket handshakes of one client.

    Handshakes without valid credentials count apart, so that a stranger behind the same address
    cannot lock out a client that has them.
    """

    async def is_handshake(request: Request[Caller, Any, Any]) -> bool:
        return _type(request.scope) == ScopeType.WEBSOCKET

    def client(request: Request[Caller, Any, Any]) -> str:
        kind = "handshakes" if request.user.identity else "failed handshakes"
        return f"{kind} {network_of(request.user.address)}"

    return RateLimitConfig(
        ("minute", per_minute),
        identifier_for_request=client,
        check_throttle_handler=is_handshake,
        middleware_class=RateLimit,
        set_rate_limit_headers=False,
        store=_RATES,
    )


def creation_limit(per_minute: int) -> RateLimitConfig:
    """Return the limit on the sessions that one user creates, or one client without a user."""

    async def is_creating(request: Request[Caller, Any, Any]) -> bool:
        is_post = request.scope.get("method", "POST") == "POST"  # a handshake's scope has no method
        return is_post and request.scope["path"].rstrip("/") in _CREATING

    def creator(request: Request[Caller, Any, Any]) -> str:
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


async def remove_expired_rates(app: Litestar, *, every_seconds: float = 60.0) -> None:
    """Remove expired counters until cancelled: Litestar's memory store does not remove them."""
    while True:
        await asyncio.sleep(every_seconds)
        await cast("MemoryStore", app.stores.get(_RATES)).delete_expired()


def _type(scope: Scope) -> ScopeType:
    """Return the type of the connection: Litestar's middleware types every scope as HTTP."""
    return cast("ScopeType", scope["type"])
