"""Log lines have their context and their fields, and no secrets, as text and as JSON."""

import json
import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.observe import log_context
from api.observe.logs import JsonFormatter, TextFormatter, redacted
from tests.audio import pcm
from tests.service import Service
from tests.test_manuals import log_texts

KEY = (
    "scribe_" + "k" * 43
)  # of the form of `new_key`; a random one would be part of the names of tests
SESSION_ID = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"
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


def record_of(message: str, *args: object, **options: Any) -> logging.LogRecord:
    return logging.LogRecord("any", logging.ERROR, "", 0, message, args, **options)


def json_line(message: str, *args: object, **options: Any) -> dict[str, Any]:
    text = JsonFormatter().format(record_of(message, *args, **{"exc_info": None} | options))
    assert "\n" not in text
    return dict(json.loads(text))


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
def test_a_traceback_is_redacted(formatter: logging.Formatter) -> None:
    with pytest.raises(ValueError, match="scribe_") as caught:
        int(KEY)
    info = (caught.type, caught.value, caught.tb)
    text = formatter.format(record_of("%s failed", "x", exc_info=info))
    assert "Traceback" in text
    assert "(redacted)" in text
    assert KEY not in text


def test_each_named_value_of_a_message_is_a_member_of_the_json_line() -> None:
    line = json_line(
        "Task failed: name=%s count=%d seconds=%.1f of %s 100%% x=%s", "a", 3, 0.25, "b", 1
    )
    assert {key: line[key] for key in ("name", "count", "seconds", "x")} == {
        "name": "a", "count": 3, "seconds": 0.25, "x": 1,
    }  # fmt: skip
    assert line["message"] == "Task failed: name=a count=3 seconds=0.2 of b 100% x=1"
    assert (line["level"], line["logger"]) == ("error", "any")


def test_a_named_value_cannot_replace_a_member_of_every_line() -> None:
    assert json_line("level=%s time=%s", "low", "never")["level"] == "error"


def test_a_secret_in_a_named_value_is_redacted() -> None:
    line = json_line("Failed: token=%s path=%s key=%s", "abc.def", "/x?signature=1a", KEY)
    assert (line["token"], line["path"]) == ("(redacted)", "/x?signature=(redacted)")
    assert KEY not in json.dumps(line)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"\xff", "\ud800", "a\nb", object()])
def test_every_value_makes_valid_json(value: object) -> None:
    json_line("x=%s", value)


def test_a_line_has_the_session_that_it_begins_with_or_that_of_the_context() -> None:
    session_id, other = SESSION_ID, SESSION_ID.replace("0", "1")
    reset = log_context.session_id.set(other)
    try:
        assert json_line("%s: failed", session_id)["session_id"] == session_id
        assert json_line("%s: failed", "no session")["session_id"] == other
        text = TextFormatter().format(record_of("failed", exc_info=None))
        assert f" ERROR session_id={other} any: failed" in text
    finally:
        log_context.session_id.reset(reset)


async def test_lines_of_a_service_have_request_session_and_node(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    audit_log = tmp_path / "audit.log"
    service = start_service(log_format="json", audit_log=audit_log)
    async with service.session(user_id="alice") as client:
        await client.send(pcm(10))
        service.post(
            f"/api/audio/sessions/{client.session_id}/close",
            headers={"X-Request-Id": "request-17", "Authorization": f"Bearer {TOKEN}"},
        )
    audit_log.rename(tmp_path / "audit.log.1")  # as logrotate does
    service.get(f"/api/audio/sessions/{client.session_id}/audio")
    assert service.stop() == 0
    lines = [json.loads(line) for line in service.log]
    audited = [
        json.loads(line)
        for path in (tmp_path / "audit.log.1", audit_log)
        for line in path.read_text().splitlines()
    ]
    assert {line["node"] for line in lines + audited} != {""}
    of_request = [line for line in lines if line.get("request_id") == "request-17"]
    assert ["/close" in line["message"] for line in of_request] == [True]
    assert of_request[0]["session_id"] == client.session_id
    assert [(line["event"], line["message"]) for line in audited] == [
        ("created", "created"), ("closed", "closed"), ("read", "read"),
    ]  # fmt: skip
    assert audited[1]["request_id"] == "request-17"
    assert {line["session_id"] for line in audited} == {client.session_id}
    assert len({line["request_id"] for line in audited}) == 3
    assert not [line for line in lines if line["logger"] == "sercuescribe.audit"]


def test_a_service_does_not_start_if_it_cannot_write_the_audit_log(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    with pytest.raises(RuntimeError, match=r"AUDIT_LOG='.*/none/audit.log' cannot be written"):
        start_service(audit_log=tmp_path / "none" / "audit.log")


@pytest.mark.parametrize("unit", ["=", "token=", "a", "eyJ-", "eyJ.", "scribe_", "X-API-Key", "%"])
def test_the_time_to_redact_is_linear_in_the_length_of_a_line(unit: str) -> None:
    def steps(length: int) -> float:
        text = (unit * length)[:length]
        taken = []
        for _ in range(3):
            began = time.process_time()
            redacted(text)
            taken.append(time.process_time() - began)
        return min(taken)

    short, long = steps(20_000), steps(160_000)
    assert long < 32 * max(short, 0.001)  # quadratic: 64 times


# Of uvicorn, which tools look for; and the audit log, whose lines are JSON.
_OTHER_LINES = {"Uvicorn running on %s (Press CTRL+C to quit)", "Open %s", "%s"}
_FIELDS = re.compile(r"^%s: |\b[A-Za-z_]+=%[.0-9]*[sdfr]")


def test_every_line_of_the_log_has_its_values_as_fields_behind_the_id() -> None:
    texts = list(log_texts())
    assert len(texts) > 100
    assert {each for each in texts if "%" in _FIELDS.sub("", each)} == _OTHER_LINES
