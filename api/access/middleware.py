"""The middleware of every request and every WebSocket handshake: host, origin, caller.

`hosts` says which hosts a service without authentication answers to, `origins` which pages may
open WebSockets and send requests that change something.
"""

from collections.abc import Mapping

from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.access.credentials import Authenticator
from api.access.hosts import AllowedHosts
from api.access.identity import Caller
from api.access.origins import AllowedOrigins
from api.access.refusals import refuse
from api.observe import log_context
from api.session.session_ids import canonical_id, is_session_id
from api.wire.errors import HostNotAllowedError, OriginNotAllowedError, ServiceError

# Supervisors and load balancers ask for these under any name. They tell nothing of a session.
_ANY_HOST = {"/health", "/health/ready", "/metrics"}

_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}  # RFC 9110, section 9.2.1

_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_DENY_ALL = "default-src 'none'; frame-ancestors 'none'"


class AuthMiddleware(ASGIMiddleware):
    """Checks host and origin, and adds the caller and the canonical session id to the scope.

    Each endpoint checks the caller's scopes itself: see `api.access.authorization`.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        *,
        origins: AllowedOrigins,
        hosts: AllowedHosts | None,
        pages: Mapping[str, str],
    ) -> None:
        """Create the middleware; if ``hosts`` is None, the service answers to every host.

        ``pages`` maps the path of each page to its content policy.
        """
        self._authenticator = authenticator
        self._origins = origins
        self._hosts = hosts
        self._pages = pages

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        if "session_id" in scope["path_params"]:
            session_id = canonical_id(scope["path_params"]["session_id"])
            scope["path_params"]["session_id"] = session_id
            if is_session_id(session_id):
                log_context.session_id.set(session_id)
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
        hosts = None if scope["path"] in _ANY_HOST else self._hosts
        if hosts is not None and not hosts.allows(host):
            raise HostNotAllowedError(host)
        if scope["type"] == ScopeType.HTTP and scope["method"] in _SAFE_METHODS:
            return
        if not self._origins.permits(headers.get("origin"), headers.get("sec-fetch-site"), host):
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
