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
        headers = relayed_headers(cast("Scope", {"client": ("192.0.2.1", 1), "litestar_app": app}))
    finally:
        log_context.request_id.reset(reset)
    assert headers == {
        HOP_HEADER: "1",
        "x-request-id": "request-17",
        "x-forwarded-for": "192.0.2.1",
    }
