"""A service without authentication answers only to hosts that DNS rebinding cannot forge."""

import pytest

from api.access.hosts import AllowedHosts

LISTED = AllowedHosts(
    ["rec.example", "*.Apps.example"], ["https://public.example:8443/rec", "http://[2001:db8::1]:1"]
)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "192.0.2.7:8000",
        "[::1]",
        "[::ffff:127.0.0.1]:80",
        "[2001:db8::7]:8000",
        "localhost",
        "LOCALHOST:1",
        "a.localhost",
        "recorder",
        "my_recorder:8000",
        "rec.example",
        "REC.example:8000",
        "a.apps.example",
        "a.b.apps.example:1",
        "public.example",
    ],
)
def test_addresses_local_names_and_listed_names_are_allowed(host: str) -> None:
    assert LISTED.allows(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "localhost.",
        "evil.",
        "127.1",
        "apps.example",
        "evilapps.example",
        "rec.example.evil.example",
        "evil@localhost",
        "localhost:80@evil.example",
        "localhost#.evil.example",
        "localhost\\.evil.example",
        "localhost/evil.example",
        "localhost evil.example",
        "localhost,evil.example",
        "[evil.example]",
        "[::1",
        "[::1].evil.example",
        "::1",
        "localhost:port",
        "xn--localhost.example",
        "löcalhost",
    ],
)
def test_names_that_another_site_can_claim_and_malformed_hosts_are_refused(host: str) -> None:
    assert not LISTED.allows(host)


def test_a_star_allows_every_valid_host() -> None:
    assert AllowedHosts(["*"]).allows("anything.example")
    assert not AllowedHosts(["*"]).allows("")


@pytest.mark.parametrize("entry", ["https://rec.example", "rec.example:80", "a.*.example", "**"])
def test_an_entry_that_is_no_host_name_is_refused_with_what_is_valid(entry: str) -> None:
    with pytest.raises(ValueError, match="expected names such as"):
        AllowedHosts([entry])
