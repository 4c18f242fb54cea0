"""A relayed request carries the address of its client."""

from typing import Any, cast

import pytest
from litestar import Litestar
from litestar.datastructures import State
from litestar.types import Scope

from api.cluster.hop import HOP_HEADER, forwarded_for, relayed_headers
from api.observe import log_context
from api.observe.tracing import Tracing


@pytest.mark.parametrize(
    ("scope", "headers"),
    [
        ({"client": ("192.0.2.1", 5000)}, {"x-forwarded-for": "192.0.2.1"}),
        ({"client": ("2001:db8::1", 5000, 0, 0)}, {"x-forwarded-for": "2001:db8::1"}),
        ({"client": None}, {}),
    ],
)
def test_the_address_of_the_client_is_passed_on(
    scope: dict[str, Any], headers: dict[str, str]
) -> None:
    assert forwarded_for(cast("Scope", scope)) == headers


def test_a_relayed_request_keeps_its_id() -> None:
    app = Litestar(state=State({"tracing": Tracing()}), logging_config=None)
    reset = log_context.request_id.set("request-17")
    try:
        scope = {"client": ("192.0.2.1", 1), "litestar_app": app, "headers": []}
        headers = relayed_headers(cast("Scope", scope), with_credentials=True, to_worker=False)
    finally:
        log_context.request_id.reset(reset)
    assert headers == {
        HOP_HEADER: "1",
        "x-request-id": "request-17",
        "x-forwarded-for": "192.0.2.1",
    }


@pytest.mark.parametrize("to_worker", [True, False])
@pytest.mark.parametrize("with_credentials", [True, False])
def test_the_owner_gets_the_headers_of_the_client_but_those_of_a_hop(
    to_worker: bool, with_credentials: bool
) -> None:
    app = Litestar(state=State({"tracing": Tracing()}), logging_config=None)
    given = {
        "host": "rec.example.com",
        "origin": "https://rec.example.com",
        "connection": "upgrade",
        "sec-websocket-key": "AAAA",
        "x-forwarded-for": "203.0.113.9",
        "authorization": "Bearer key",
        "x-twilio-signature": "signed",
    }
    scope = {
        "scheme": "wss",
        "client": None,
        "litestar_app": app,
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }
    headers = relayed_headers(
        cast("Scope", scope), with_credentials=with_credentials, to_worker=to_worker
    )
    del headers["x-request-id"]
    expected = {HOP_HEADER: "worker" if to_worker else "1", "x-twilio-signature": "signed"}
    if with_credentials:
        expected["authorization"] = "Bearer key"
    if to_worker:
        expected |= {"host": "rec.example.com", "x-forwarded-proto": "wss"}
    assert headers == expected
