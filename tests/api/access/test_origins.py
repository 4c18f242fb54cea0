"""Only pages of the service itself, of loopback, and of listed origins may change something."""

import re

import pytest

from api.access.origins import AllowedOrigins

LISTED = AllowedOrigins(
    [
        "https://app.example",
        "https://*.Apps.example",
        "http://plain.example:8080",
        "Capacitor://App",
    ],
    "https://public.example/rec",
)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://app.example", "rec.example"),
        ("HTTPS://APP.example:443", "rec.example"),
        ("https://a.apps.example", "rec.example"),
        ("https://a.b.apps.example", "rec.example"),
        ("http://plain.example:8080", "rec.example"),
        ("capacitor://app", "rec.example"),
        ("https://public.example", "127.0.0.1:8000"),
        ("https://public.example:443", "127.0.0.1:8000"),
        ("https://rec.example", "rec.example"),
        ("https://REC.example", "Rec.example"),
        ("https://rec.example", "rec.example:443"),
        ("http://rec.example", "rec.example:80"),
        ("http://rec.example:8000", "rec.example:8000"),
        ("http://[2001:db8::1]:8000", "[2001:db8::1]:8000"),
        ("http://localhost:3000", "127.0.0.1:8000"),
        ("https://a.localhost", "[::1]:8000"),
    ],
)
def test_listed_own_and_loopback_origins_are_permitted(origin: str, host: str) -> None:
    assert LISTED.permits(origin, "cross-site", host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("", "rec.example"),
        ("null", "rec.example"),
        ("nonsense", "rec.example"),
        ("file://", "rec.example"),
        ("https://evil.example", "rec.example"),
        ("http://app.example", "rec.example"),
        ("https://app.example:444", "rec.example"),
        ("https://app.example.evil.example", "rec.example"),
        ("https://evil.example/https://app.example", "rec.example"),
        ("https://app.example@evil.example", "rec.example"),
        ("https://apps.example", "rec.example"),
        ("https://evilapps.example", "rec.example"),
        ("https://.apps.example", "rec.example"),
        ("https://*.apps.example", "rec.example"),
        ("https://evil.example:1.apps.example", "rec.example"),
        ("capacitor://app.example", "rec.example"),
        ("http://public.example", "127.0.0.1:8000"),
        ("https://rec.example:8443", "rec.example"),
        ("http://localhost:3000", "rec.example"),
        ("http://localhost.evil.example", "127.0.0.1"),
        ("http://[", "127.0.0.1"),
        ("http://[::1", "127.0.0.1"),
        ("capacitor://localhost", "127.0.0.1"),
        ("https://rec.example", ""),
    ],
)
def test_other_origins_are_refused_whatever_the_browser_says_of_them(
    origin: str, host: str
) -> None:
    for fetch_site in (None, "same-origin", "none", "cross-site"):
        assert not LISTED.permits(origin, fetch_site, host)


@pytest.mark.parametrize(
    ("fetch_site", "permitted"),
    [(None, True), ("none", True), ("same-origin", True), ("same-site", False), ("", False)],
)
def test_without_an_origin_the_relation_that_the_browser_states_decides(
    fetch_site: str | None, permitted: bool
) -> None:
    assert LISTED.permits(None, fetch_site, "rec.example") is permitted


def test_cors_allows_exactly_the_listed_origins() -> None:
    assert re.fullmatch(LISTED.pattern, "https://a.apps.example")
    for origin in ("https://rec.example", "https://evil.example", "http://localhost", ""):
        assert not re.fullmatch(LISTED.pattern, origin)
    assert not re.fullmatch(AllowedOrigins([]).pattern, "")


def test_a_star_permits_every_origin() -> None:
    assert AllowedOrigins(["*"]).permits("https://any.example", "cross-site", "rec.example")


@pytest.mark.parametrize(
    "entry",
    ["app.example", "https://app.example/", "https://", "https://a.*.example", "null", "x:"],
)
def test_an_entry_that_is_no_origin_is_refused_with_what_is_valid(entry: str) -> None:
    with pytest.raises(ValueError, match="expected origins such as"):
        AllowedOrigins([entry])
