"""Each refusal that denies something has a line in the audit log, and no other has."""

import json
import logging
from typing import Any, cast

import pytest
from litestar import Litestar
from litestar.datastructures import State
from litestar.types import Scope

from api.access.identity import Caller, Identity
from api.access.refusals import audit_denial
from api.observe.metrics import Metrics
from api.wire.errors import (
    AuthenticationRequiredError,
    NotAllowedError,
    RateLimitedError,
    SessionNotFoundError,
)

CALLER = Caller("192.0.2.1", Identity("alice", frozenset()))


def denials(caplog: pytest.LogCaptureFixture, error: Exception) -> list[dict[str, Any]]:
    app = Litestar(state=State({"metrics": Metrics()}), logging_config=None)
    scope = cast(
        "Scope", {"user": CALLER, "path_params": {"session_id": "id"}, "litestar_app": app}
    )
    with caplog.at_level(logging.INFO):
        audit_denial(scope, error)
    return [json.loads(record.getMessage()) for record in caplog.records]


@pytest.mark.parametrize(
    "error",
    [AuthenticationRequiredError(), NotAllowedError("reading"), RateLimitedError()],
    ids=["401", "403", "429"],
)
def test_a_denial_names_the_user_the_session_and_the_reason(
    caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    (line,) = denials(caplog, error)
    assert (line["event"], line["user"], line["session_id"]) == ("denied", "alice", "id")
    assert (line["client"], line["reason"]) == ("192.0.2.1", str(error))


def test_an_answer_that_denies_nothing_has_no_line(caplog: pytest.LogCaptureFixture) -> None:
    assert denials(caplog, SessionNotFoundError("id")) == []
