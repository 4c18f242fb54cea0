"""An ASGI application around all others that observes each request.

It gives the request an id, which the log lines of the request have, counts it in the metrics, and
puts a span around it.
"""

import re
import time
from uuid import uuid4

from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.observe.log_context import request_id
from api.observe.metrics import Metrics
from api.observe.tracing import RequestSpan, Tracing

REQUEST_ID_HEADER = "X-Request-Id"

_VALID_ID = re.compile(r"[\w.:+/=-]{1,128}", re.ASCII)


class ObservedRequests:
    """Observes the HTTP requests and WebSocket handshakes that ``app`` handles."""

    def __init__(self, app: ASGIApp, metrics: Metrics, tracing: Tracing) -> None:
        self._app = app
        self._metrics = metrics
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {ScopeType.HTTP, ScopeType.WEBSOCKET}:
            await self._app(scope, receive, send)
            return
        headers = Headers.from_scope(scope)
        request_id.set(_request_id(headers))
        if scope["type"] == ScopeType.WEBSOCKET:
            with self._tracing.joined(headers):
                await self._app(scope, receive, send)
            return
        with self._tracing.request_span(headers) as span:
            await self._handle_http(scope, receive, send, span)

    async def _handle_http(
        self, scope: Scope, receive: Receive, send: Send, span: RequestSpan
    ) -> None:
        began, status = time.monotonic(), 500

        async def send_observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableScopeHeaders(message)[REQUEST_ID_HEADER] = request_id.get()
            await send(message)

        try:
            await self._app(scope, receive, send_observed)
        finally:
            route, method = scope.get("path_template"), str(scope.get("method"))
            self._metrics.requested(route, method, status, time.monotonic() - began)
            span.end(method, route, status)


def _request_id(headers: Headers) -> str:
    """Return the client's id of the request, or a new one if there is none that is valid."""
    given = headers.get(REQUEST_ID_HEADER, "")
    return given if _VALID_ID.fullmatch(given) else uuid4().hex
