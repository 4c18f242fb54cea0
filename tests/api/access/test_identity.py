"""Identities grant scopes; addresses of one client count as one."""

import pytest

from api.access.identity import OPEN_ACCESS, SCOPES, Identity, Scope, network_of


@pytest.mark.parametrize("scope", SCOPES)
def test_an_admin_and_a_service_without_authentication_have_every_scope(scope: Scope) -> None:
    assert Identity("root", frozenset({"admin"})).has_scope(scope)
    assert OPEN_ACCESS.has_scope(scope)


def test_a_user_has_only_its_own_scopes_and_one_of_several_is_enough() -> None:
    reader = Identity("alice", frozenset({"read"}))
    assert reader.has_scope("read")
    assert reader.has_scope("record", "read")
    assert not reader.has_scope("record", "admin")
    assert not reader.is_admin


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("unix", "unix"),
    ],
)
def test_rates_count_an_ipv4_address_or_an_ipv6_network(address: str, counted_as: str) -> None:
    assert network_of(address) == counted_as
