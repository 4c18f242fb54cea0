"""Rate limits on handshakes and new sessions, which `api.workers.limits` counts for the service."""

from collections.abc import Callable

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from api.access.call_signatures import CALL_PATHS
from api.access.identity import Caller, network_of
from api.access.refusals import refuse
from api.wire.errors import RateLimitedError
from api.workers.limits import Limits

_CREATING = {"/api/ws/audio", "/api/audio/sessions"}


class RateLimit(ASGIMiddleware):
    """Refuses requests and handshakes of a client that makes too many in a minute."""

    def __init__(
        self, limits: Limits, per_minute: int, key: Callable[[Scope, Caller], str | None]
    ) -> None:
        """``key`` returns what a request counts for; None: it does not count."""
        self._limits = limits
        self._per_minute = per_minute
        self._key = key

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        key = self._key(scope, scope["user"])
        if key is None or await self._limits.allow(key, self._per_minute):
            await next_app(scope, receive, send)
        else:
            await refuse(scope, send, RateLimitedError())


def handshake_limit(limits: Limits, per_minute: int) -> RateLimit:
    """Return the limit on the WebSocket handshakes of one client.

    Handshakes without valid credentials count apart, so that a stranger behind the same address
    cannot lock out a client that has them.
    """

    def key(scope: Scope, caller: Caller) -> str | None:
        if scope["type"] != ScopeType.WEBSOCKET:
            return None
        kind = "handshakes" if caller.identity else "failed handshakes"
        return f"{kind} {network_of(caller.address)}"

    return RateLimit(limits, per_minute, key)


def creation_limit(limits: Limits, per_minute: int) -> RateLimit:
    """Return the limit on the sessions that one user creates, or one client without a user."""

    def key(scope: Scope, caller: Caller) -> str | None:
        is_handshake = scope["type"] == ScopeType.WEBSOCKET
        is_creating = is_handshake or scope.get("method") == "POST"
        path = scope["path"].rstrip("/")
        if not is_creating or not (path in _CREATING or path.startswith(CALL_PATHS)):
            return None
        user = caller.identity.user if caller.identity else None
        return f"sessions of {user}" if user else f"sessions from {network_of(caller.address)}"

    return RateLimit(limits, per_minute, key)
