"""Every HTTP request has an id, and is counted by its route, its method and its kind of status."""

import uuid

import pytest
import requests
from prometheus_client import generate_latest

from api.observe.metrics import Metrics
from api.observe.requests import ObservedRequests
from api.observe.tracing import Tracing
from tests.exposition import samples
from tests.service import Service


def test_an_answer_has_the_id_of_the_client_or_a_new_one(service: Service) -> None:
    given = {"X-Request-Id": "trace-1.a:b"}
    assert service.get("/health", headers=given).headers["X-Request-Id"] == "trace-1.a:b"
    made = {service.get("/health").headers["X-Request-Id"] for _ in range(3)}
    assert len(made) == 3
    assert all(uuid.UUID(each).hex == each for each in made)


@pytest.mark.parametrize("given", ["", "a b", 'a"b', "x" * 129, "\u00e9", "a=b,c"])
def test_an_id_that_could_break_a_log_line_is_replaced(service: Service, given: str) -> None:
    answer = service.get("/health", headers={"X-Request-Id": given.encode("latin-1")})
    assert answer.headers["X-Request-Id"] != given
    assert len(answer.headers["X-Request-Id"]) == 32


def test_requests_are_counted_by_the_template_of_their_path(service: Service) -> None:
    for path in (str(uuid.uuid4()), "x", "y"):
        service.get(f"/api/audio/sessions/{path}")
        service.get(f"/unknown/{path}")
        requests.head(f"{service.url}/api/audio/sessions/{path}", timeout=30)
    found = samples(service.get("/metrics").text)
    counted = {
        name: value
        for name, value in found.items()
        if name.startswith("http_request_seconds_count") and "4xx" in name
    }
    route = "route=/api/audio/sessions/{session_id},status_class=4xx"
    assert counted == {
        f"http_request_seconds_count{{method=GET,{route}}}": 3,
        f"http_request_seconds_count{{method=HEAD,{route}}}": 3,
        "http_request_seconds_count{method=GET,route=other,status_class=4xx}": 3,
    }


async def test_a_handler_that_raises_counts_as_a_server_error() -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    metrics = Metrics()
    scope = {"type": "http", "method": "GET", "headers": []}
    with pytest.raises(RuntimeError):
        await ObservedRequests(fail, metrics, Tracing())(scope, None, None)  # type: ignore[arg-type]
    found = samples(generate_latest(metrics.registry).decode())
    assert found["http_request_seconds_count{method=GET,route=other,status_class=5xx}"] == 1
