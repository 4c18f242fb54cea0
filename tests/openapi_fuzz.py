"""Schemathesis with the settings of this project.

Run ``python -m tests.openapi_fuzz run URL/openapi.json -n 3000`` against a service.

The test suite runs it with few examples (`tests.test_openapi_fuzz`).
"""

import unicodedata
from typing import Any

import schemathesis
from schemathesis.cli import schemathesis as command


@schemathesis.hook
def filter_body(_context: Any, body: Any) -> bool:
    """Leave out user ids that are invalid in a way that the document's pattern cannot express."""
    user_id = body.get("user_id") if isinstance(body, dict) else None
    return (
        not isinstance(user_id, str)
        or user_id.isprintable()
        or any(unicodedata.category(character) == "Cc" for character in user_id)
    )


@schemathesis.hook
def filter_query(_context: Any, query: Any) -> bool:
    """Leave out cursors: the service accepts only its own, which are encrypted."""
    return not query or "cursor" not in query


if __name__ == "__main__":
    command()
