"""The log filter redacts secrets in lines of every logger."""

import logging

import pytest

from api.observe.logs import redact


@pytest.mark.parametrize(
    ("written", "logged"),
    [
        ("GET /x?token=abc.def-g_h HTTP/1.1", "GET /x?token=(redacted) HTTP/1.1"),
        (
            "/x?expires=1&signature=0a1b&redirect=false",
            "/x?expires=1&signature=(redacted)&redirect=false",
        ),
        ('"WebSocket /x?resume=true&token=a"', '"WebSocket /x?resume=true&token=(redacted)"'),
        ("/x?TOKEN=a", "/x?TOKEN=(redacted)"),
        ("/x?user_id=alice", "/x?user_id=alice"),
    ],
)
def test_tokens_and_signatures_are_redacted(written: str, logged: str) -> None:
    record = logging.LogRecord("any", logging.INFO, "", 0, '%s - "%s" %d', ("a", written, 7), None)
    assert redact(record)
    assert record.getMessage() == f'a - "{logged}" 7'
