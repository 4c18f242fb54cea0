"""The formatter removes secrets from the lines of every logger, and from tracebacks."""

import logging
import time

import pytest

from api.observe.logs import RedactingFormatter, redacted

KEY = (
    "scribe_" + "k" * 43
)  # of the form of `new_key`; a random one would be part of the names of tests
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"


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
        ("/x?%74oken=a", "/x?%74oken=(redacted)"),
        ("/x?%54%4F%6b%65%6E=a&b=c", "/x?%54%4F%6b%65%6E=(redacted)&b=c"),
        ("url=/x?token=a=b==", "url=/x?token=(redacted)"),
        ("/x?X-Amz-Signature=0a&X-Amz-Expires=9", "/x?X-Amz-Signature=(redacted)&X-Amz-Expires=9"),
        ("/x?X-Amz-Security-Token=a%2B", "/x?X-Amz-Security-Token=(redacted)"),
        (f"/x?api_key={KEY}", "/x?api_key=(redacted)"),
        (f"a {KEY}, a {TOKEN}.", "a (redacted), a (redacted)."),
        ("> X-API-Key: secret\n> Host: x", "> X-API-Key: (redacted)\n> Host: x"),
        ("> Authorization: Bearer secret", "> Authorization: (redacted)"),
        ("{'Authorization': b'AWS4 secret', 'a': 1}", "{'Authorization': b'(redacted)', 'a': 1}"),
        ("< Sec-WebSocket-Protocol: bearer, secret", "< Sec-WebSocket-Protocol: (redacted)"),
        ("/x?user_id=alice&mytoken=b", "/x?user_id=alice&mytoken=b"),
        ("session_id=1 error=no token=", "session_id=1 error=no token="),
    ],
)
def test_keys_tokens_and_signatures_are_redacted(written: str, logged: str) -> None:
    assert redacted(written) == logged


def test_a_traceback_is_redacted() -> None:
    with pytest.raises(ValueError, match="scribe_") as caught:
        int(KEY)
    info = (caught.type, caught.value, caught.tb)
    record = logging.LogRecord("any", logging.ERROR, "", 0, "%s failed", ("x",), info)
    text = RedactingFormatter("%(message)s").format(record)
    assert "Traceback" in text
    assert "(redacted)" in text
    assert KEY not in text


@pytest.mark.parametrize("unit", ["=", "token=", "a", "eyJ-", "eyJ.", "scribe_", "X-API-Key", "%"])
def test_the_time_to_redact_is_linear_in_the_length_of_a_line(unit: str) -> None:
    def steps(length: int) -> float:
        text = (unit * length)[:length]
        began = time.process_time()
        for _ in range(3):
            redacted(text)
        return time.process_time() - began

    short, long = steps(20_000), steps(160_000)
    assert long < 32 * max(short, 0.001)  # quadratic: 64 times
