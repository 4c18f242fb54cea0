"""The client and the scheme of a request that a proxy has forwarded.

uvicorn's own middleware takes the first address of ``X-Forwarded-For`` if every peer is trusted,
and any text as an address; both are the client's choice.
"""

from typing import Any

from litestar.enums import ScopeType
from litestar.types import Receive, Scope, Send

from api.access.proxies import TrustedProxies
from api.workers.sockets import is_from_worker

_REQUESTS = {ScopeType.HTTP, ScopeType.WEBSOCKET}  # there is also the lifespan
_SECURE = {"https": True, "wss": True, "http": False, "ws": False}


class ForwardedHeaders:
    """An ASGI middleware that sets client and scheme as a trusted proxy says."""

    def __init__(self, app: Any, proxies: TrustedProxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in _REQUESTS:
            peer = scope.get("client")
            if is_from_worker(scope) or (peer is not None and self._proxies.trusts(peer[0])):
                self._apply(scope)
        await self._app(scope, receive, send)

    def _apply(self, scope: Scope) -> None:
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, []).append(value)
        addresses = b",".join(headers.get(b"x-forwarded-for", [])).decode("latin-1")
        if (client := self._proxies.client(addresses)) is not None:
            scope["client"] = (client, 0)
        scheme = headers.get(b"x-forwarded-proto", [b""])[-1].decode("latin-1").strip()
        if (is_secure := _SECURE.get(scheme)) is not None:
            insecure = "ws" if scope["type"] == ScopeType.WEBSOCKET else "http"
            scope["scheme"] = f"{insecure}s" if is_secure else insecure
