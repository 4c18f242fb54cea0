"""Schemathesis with the settings of this project.

Run ``python -m tests.openapi_fuzz run URL/openapi.json -n 3000`` against a service.

The test suite runs it with few examples (`tests.test_openapi_fuzz`).
"""

import contextlib
import unicodedata
from datetime import datetime
from typing import Any

import schemathesis
from schemathesis.cli import schemathesis as command


@schemathesis.hook
def filter_body(_context: Any, body: Any) -> bool:
    """Leave out what is invalid in a way that the document cannot express.

    These are some user ids, and parts of a recording that has no audio.
    """
    if not isinstance(body, dict):
        return True
    user_id = body.get("user_id")
    has_part = body.get("start") is not None or body.get("end") is not None
    return (
        not has_part
        and not isinstance(body.get("expires_at"), str)
        and (
            not isinstance(user_id, str)
            or user_id.isprintable()
            or any(unicodedata.category(character) == "Cc" for character in user_id)
        )
    )


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Move times of expiry into the future: the document cannot say that those in the past fail."""
    body = case.body
    if isinstance(body, dict) and isinstance(text := body.get("expires_at"), str):
        with contextlib.suppress(ValueError):
            time = datetime.fromisoformat(text)
            if time.tzinfo is not None:
                case.body = body | {"expires_at": time.replace(year=2999, day=1).isoformat()}


@schemathesis.hook
def filter_query(_context: Any, query: Any) -> bool:
    """Leave out cursors: the service accepts only its own, which are encrypted."""
    return not query or "cursor" not in query


if __name__ == "__main__":
    command()
