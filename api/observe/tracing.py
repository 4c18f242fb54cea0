"""Traces by OpenTelemetry, with the extra ``tracing`` and ``TRACING=true``.

There are spans for HTTP requests and for steps of the work on a session: a takeover, a segment,
the completion, an attempt to deliver an event. There is none for a chunk. The variables ``OTEL_*``
of the OpenTelemetry SDK say where spans are sent (OTLP over HTTP); it sends them from a thread of
its own. The context of a trace is taken from the header ``traceparent`` of a request (W3C Trace
Context), and passed on to the owner of a session, to receivers of events and to AUTHORIZE_URL.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

SERVICE_NAME = "sercuescribe"

_SHUTDOWN_SECONDS = 2.0


class TracingMissingError(Exception):
    """The packages of the extra ``tracing`` are not installed."""

    def __init__(self) -> None:
        super().__init__("TRACING needs more packages: pip install 'sercuescribe[tracing]'")


class Tracing:
    """Makes spans if it is given a provider; otherwise every method does nothing."""

    def __init__(self, provider: "TracerProvider | None" = None) -> None:
        self._provider = provider
        self._tracer = None if provider is None else provider.get_tracer(SERVICE_NAME)

    @contextlib.contextmanager
    def span(self, name: str, session_id: str, *, is_root: bool = False) -> Iterator[None]:
        """Put a span around one step of the work on a session; an exception makes it an error.

        ``is_root``: it begins a trace of its own, also inside the context of a request.
        """
        if self._tracer is None:
            yield
            return
        from opentelemetry.context import Context  # noqa: PLC0415 - an extra

        context = Context() if is_root else None
        attributes = {"sercuescribe.session_id": session_id}
        with self._tracer.start_as_current_span(name, context=context, attributes=attributes):
            yield

    def fail_span(self, reason: str) -> None:
        """Make the current span an error, whose step has failed without an exception."""
        if self._tracer is not None:
            from opentelemetry.trace import StatusCode, get_current_span  # noqa: PLC0415

            get_current_span().set_status(StatusCode.ERROR, reason)

    @contextlib.contextmanager
    def request_span(self, headers: Mapping[str, str]) -> Iterator["RequestSpan"]:
        """Put a span around an HTTP request, as a child of the client's span."""
        if self._tracer is None:
            yield RequestSpan(None)
            return
        from opentelemetry.propagate import extract  # noqa: PLC0415 - an extra
        from opentelemetry.trace import SpanKind  # noqa: PLC0415

        with self._tracer.start_as_current_span(
            "HTTP", context=extract(headers), kind=SpanKind.SERVER
        ) as span:
            yield RequestSpan(span)

    @contextlib.contextmanager
    def joined(self, headers: Mapping[str, str]) -> Iterator[None]:
        """Make spans inside the context children of the client's span.

        For WebSockets, which have no span, because they may be open for a day.
        """
        if self._tracer is None:
            yield
            return
        from opentelemetry.context import attach, detach  # noqa: PLC0415 - an extra
        from opentelemetry.propagate import extract  # noqa: PLC0415

        token = attach(extract(headers))
        try:
            yield
        finally:
            detach(token)

    def headers(self) -> dict[str, str]:
        """Return the headers that pass the context of the current span on."""
        found: dict[str, str] = {}
        if self._tracer is not None:
            from opentelemetry.propagate import inject  # noqa: PLC0415 - an extra

            inject(found)
        return found

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send what is left at the end of the context, within two seconds."""
        try:
            yield
        finally:
            if self._provider is not None:
                # A daemon: a receiver that does not answer must not delay the end of the process.
                ending = threading.Thread(target=self._provider.shutdown, daemon=True)
                ending.start()
                await asyncio.to_thread(ending.join, _SHUTDOWN_SECONDS)


class RequestSpan:
    """The span of a request, whose route and status are known at its end."""

    def __init__(self, span: Any) -> None:
        self._span = span

    def end(self, method: str, route: str | None, status: int) -> None:
        """Set the name and the attributes that OpenTelemetry's conventions for HTTP define."""
        if self._span is None:
            return
        from opentelemetry.trace import StatusCode  # noqa: PLC0415 - an extra

        self._span.update_name(f"{method} {route}" if route else method)
        self._span.set_attribute("http.request.method", method)
        self._span.set_attribute("http.response.status_code", status)
        if route:
            self._span.set_attribute("http.route", route)
        if status >= 500:
            self._span.set_status(StatusCode.ERROR)


def create_tracing(*, version: str, node: str) -> Tracing:
    """Return tracing that exports spans by OTLP. Raises `TracingMissingError`."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise TracingMissingError from error
    own = {"service.name": SERVICE_NAME, "service.version": version, "service.instance.id": node}
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have precedence.
    resource = Resource(own).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)
