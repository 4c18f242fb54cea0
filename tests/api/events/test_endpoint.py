"""Endpoints come from variables, from a file, or from both."""

import re
from pathlib import Path

import pytest

from api.events.endpoint import read_endpoints
from api.events.entry import EVENT_TYPES
from api.events.signature import parse_secret

ONE, TWO = (f"whsec_{letter * 44}" for letter in "AB")
URL = "https://hooks.example/x?token=hidden"


def test_every_listed_url_gets_every_event_signed_with_every_secret() -> None:
    found = read_endpoints(f"{URL}, http://10.0.0.7:8080/y", f"{ONE}, {TWO}", "")
    assert [each.url for each in found] == [URL, "http://10.0.0.7:8080/y"]
    assert {each.keys for each in found} == {(parse_secret(ONE), parse_secret(TWO))}
    assert {each.events for each in found} == {EVENT_TYPES}
    assert [each.host for each in found] == ["hooks.example", "10.0.0.7:8080"]
    assert len({each.key for each in found}) == 2
    assert read_endpoints("", "", "") == []


def test_an_endpoint_of_the_file_has_events_and_secrets_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "webhooks.toml"
    file.write_text(
        f"""
        [[endpoint]]
        url = "https://billing.example/events"
        secrets = ["{ONE}", "{TWO}"]
        events = ["session.completed"]

        [[endpoint]]
        url = "https://all.example/events"
        secrets = ["{TWO}"]
        """
    )
    billing, everything, listed = sorted(
        read_endpoints(URL, ONE, str(file)), key=lambda each: each.host != "billing.example"
    )
    assert (billing.events, len(billing.keys)) == (("session.completed",), 2)
    assert {everything.host, listed.host} == {"all.example", "hooks.example"}
    assert everything.events == EVENT_TYPES


@pytest.mark.parametrize(
    ("urls", "secrets", "content", "reason"),
    [
        (URL, "", "", "WEBHOOK_URLS needs WEBHOOK_SECRETS"),
        (URL, "whsec_x", "", "WEBHOOK_SECRETS: "),
        ("ftp://x", ONE, "", "WEBHOOK_URLS: "),
        ("https://x:99999/", ONE, "", "WEBHOOK_URLS: .*valid port"),
        ("https://user:secret@x/", ONE, "", "WEBHOOK_URLS: .*without user"),
        ("https://user:sec/ret@x/", ONE, "", "WEBHOOK_URLS: .*without user"),
        ("https://user:sec\u2100ret@x/", ONE, "", "WEBHOOK_URLS: .*without user"),
        (f"{URL},{URL}", ONE, "", "occurs twice"),
        ("", "", "endpoint = 1", "WEBHOOKS_FILE: "),
        ("", "", "[[endpoint]]\nurl = 'http://x'\nsecrets = []", "no secrets"),
        ("", "", "[[endpoint]]\nurl = 'http://x'\nsecret = 'x'", "secret"),
        ("", "", "not toml", "WEBHOOKS_FILE: "),
    ],
    ids=[
        "no secrets",
        "short secret",
        "no HTTP",
        "port",
        "password",
        "password with a slash",
        "password with a character that normalizes to a slash",
        "twice",
        "wrong type",
        "no secrets in the file",
        "unknown field",
        "no TOML",
    ],
)
def test_what_is_not_valid_is_refused_by_the_name_of_the_setting(
    urls: str, secrets: str, content: str, reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "webhooks.toml"
    file.write_text(content)
    with pytest.raises(ValueError, match=reason) as refused:
        read_endpoints(urls, secrets, str(file) if content else "")
    assert not re.search("sec(ret@|/|\u2100|')", str(refused.value))


def test_a_file_that_is_missing_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"WEBHOOKS_FILE: /missing/webhooks\.toml"):
        read_endpoints("", "", "/missing/webhooks.toml")
