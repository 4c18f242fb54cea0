"""The client is the last address in X-Forwarded-For that no trusted proxy has."""

import pytest

from api.access.proxies import TrustedProxies

LISTED = TrustedProxies(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "172.16.0.9/12"])


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("10.1.2.3", True),
        ("192.0.2.1", True),
        ("::ffff:10.1.2.3", True),
        ("2001:db8::7", True),
        ("172.20.0.1", True),
        ("192.0.2.2", False),
        ("proxy", False),
        ("", False),
    ],
)
def test_only_listed_peers_are_trusted(peer: str, trusted: bool) -> None:
    assert LISTED.trusts(peer) is trusted
    assert TrustedProxies(["*"]).trusts(peer)


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7, 10.0.0.1, 192.0.2.1", "198.51.100.7"),
        ("10.0.0.2, 10.0.0.1", "10.0.0.2"),
        ("198.51.100.7:4711", "198.51.100.7"),
        ("[2001:db9::1]:4711, 10.0.0.1", "2001:db9::1"),
        ("2001:db9::1", "2001:db9::1"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("unknown, 10.0.0.1", "10.0.0.1"),
        ("198.51.100.7, unknown", None),
        ("", None),
    ],
)
def test_a_client_cannot_choose_its_address(forwarded_for: str, client: str | None) -> None:
    assert LISTED.client(forwarded_for) == client


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [("203.0.113.9, 198.51.100.7", "198.51.100.7"), ("198.51.100.7, text", None), ("", None)],
)
def test_if_every_peer_is_trusted_the_last_address_counts(
    forwarded_for: str, client: str | None
) -> None:
    assert TrustedProxies(["*"]).client(forwarded_for) == client


@pytest.mark.parametrize("entry", ["proxy.example", "10.0.0.0/33", "10.0.0.1:80", "10.0.0"])
def test_an_entry_that_is_no_address_is_refused_with_what_is_valid(entry: str) -> None:
    with pytest.raises(ValueError, match="expected addresses such as"):
        TrustedProxies([entry])
