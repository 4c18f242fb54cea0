"""With TRACING, spans of requests and sessions reach a receiver of OTLP, in the client's trace."""

import builtins
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from api.observe.tracing import Tracing, TracingMissingError, create_tracing
from tests.audio import pcm
from tests.eventually import eventually
from tests.exposition import samples
from tests.otlp import TraceReceiver, attributes_of, trace_receiver
from tests.service import Service
from tests.webhook_receiver import SECRET, Received, webhook_receiver

TRACE_ID, CALLER_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACED = {"traceparent": f"00-{TRACE_ID}-{CALLER_ID}-01"}

Start = Callable[..., Service]


@pytest.fixture
def receiver() -> Iterator[TraceReceiver]:
    with trace_receiver() as receiver:
        yield receiver


def traced(receiver: TraceReceiver) -> dict[str, Any]:
    return {
        "tracing": "true",
        "otel_exporter_otlp_endpoint": receiver.url,
        "otel_bsp_schedule_delay": 100,
    }


def trace_id_of(request: Received) -> str:
    return request.headers["traceparent"].split("-")[1]


async def test_spans_of_a_session_are_exported_and_none_for_its_chunks(
    on_bucket: Start, receiver: TraceReceiver
) -> None:
    service = on_bucket(**traced(receiver), segment_seconds=0.1)
    path = "/api/audio/sessions"
    async with service.session() as client:
        session_id = client.session_id
        for _ in range(20):
            await client.send(pcm(100))
        await client.control("flush")
    service.kill()
    service.start()
    await service.live(1)
    service.get(f"{path}/00000000-0000-7000-8000-000000000000", headers=TRACED)
    assert service.post(f"{path}/{session_id}/close", headers=TRACED).status_code == 200
    assert service.stop() == 0  # what is left is sent before the end

    assert {each["service.name"] for each in receiver.services} == {"sercuescribe"}
    (closing,) = receiver.named("POST /api/audio/sessions/{session_id}/close")
    assert (closing.trace_id.hex(), closing.parent_span_id.hex()) == (TRACE_ID, CALLER_ID)
    assert closing.kind == Span.SPAN_KIND_SERVER
    assert attributes_of(closing)["http.response.status_code"] == "200"
    (completing,) = receiver.named("complete session")
    assert completing.parent_span_id == closing.span_id
    assert attributes_of(completing) == {"sercuescribe.session_id": session_id}
    assert len(receiver.named("take over session")) == 1
    segments = receiver.named("put segment")
    assert segments
    assert all(not span.parent_span_id for span in segments)
    (missing,) = receiver.named("GET /api/audio/sessions/{session_id}")
    assert missing.status.code == Status.STATUS_CODE_UNSET
    names = {span.name for span in receiver.spans}
    assert names <= {
        "POST /api/audio/sessions/{session_id}/close", "GET /api/audio/sessions/{session_id}",
        "GET /health", "take over session", "put segment", "complete session",
    }  # fmt: skip


async def test_a_relayed_request_stays_in_its_trace(
    on_bucket: Start, receiver: TraceReceiver
) -> None:
    owner, other = on_bucket(**traced(receiver)), on_bucket(**traced(receiver))
    session_id = owner.post("/api/audio/sessions").json()["session_id"]
    other.post(f"/api/audio/sessions/{session_id}/close", headers=TRACED)
    assert owner.stop() == other.stop() == 0
    closing = receiver.named("POST /api/audio/sessions/{session_id}/close")
    relaying, relayed = sorted(closing, key=lambda span: span.parent_span_id.hex() != CALLER_ID)
    assert relayed.parent_span_id == relaying.span_id
    assert {relayed.trace_id.hex(), relaying.trace_id.hex()} == {TRACE_ID}


async def test_each_attempt_to_deliver_an_event_has_a_span_whose_context_is_passed_on(
    start_service: Start, receiver: TraceReceiver
) -> None:
    with webhook_receiver() as hooks:
        service = start_service(
            **traced(receiver),
            webhook_urls=hooks.url,
            webhook_secrets=SECRET,
            authorize_url=hooks.url,
        )
        session_id = service.post("/api/audio/sessions", headers=TRACED).json()["session_id"]
        await hooks.wait_for(f"{session_id}-created")
        hooks.status = 500
        service.post(f"/api/audio/sessions/{session_id}/close")
        question, created, completed = await hooks.wait_for_requests(3)
        refused = "webhook_attempts_total{event=session.completed,result=refused}"
        await eventually(
            lambda: samples(service.get("/metrics").text)[refused], awaiting="the second answer"
        )
        assert service.stop() == 0
    assert trace_id_of(question) == TRACE_ID
    delivered, failed = receiver.named("deliver event")
    assert attributes_of(delivered) == {"sercuescribe.session_id": session_id}
    assert delivered.trace_id.hex() == trace_id_of(created) != TRACE_ID
    assert failed.trace_id.hex() == trace_id_of(completed)
    assert delivered.status.code == Status.STATUS_CODE_UNSET
    assert (failed.status.code, failed.status.message) == (
        Status.STATUS_CODE_ERROR,
        "HTTP status 500",
    )


def test_a_service_stops_in_order_if_the_receiver_does_not_answer(
    start_service: Start,
) -> None:
    service = start_service(
        tracing="true", otel_exporter_otlp_endpoint="http://127.0.0.1:9", otel_bsp_schedule_delay=50
    )
    assert service.get("/health").status_code == 200
    assert service.stop() == 0


async def test_without_tracing_nothing_is_made() -> None:
    tracing = Tracing()
    with tracing.span("a step", "a session"), tracing.request_span(TRACED) as span:
        span.end("GET", None, 500)
        tracing.fail_span("a reason")
        assert tracing.headers() == {}
    with tracing.joined(TRACED):
        assert tracing.headers() == {}
    async with tracing.running():
        pass


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import_module = builtins.__import__

    def missing(name: str, *args: Any, **options: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return import_module(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(TracingMissingError, match=r"sercuescribe\[tracing\]"):
        create_tracing(version="1", node="a")
