"""Who somebody is, as far as the service cares."""

import ipaddress
from typing import Literal, get_args

import msgspec

Scope = Literal["record", "read", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)


class Identity(msgspec.Struct, frozen=True):
    """A caller. Nobody in particular (``user`` is None) is who may do everything, as nobody asks.

    ``session_id`` confines it to one session: it came with that session's token.
    """

    user: str | None
    scopes: frozenset[Scope]
    session_id: str | None = None

    @property
    def is_admin(self) -> bool:
        return "admin" in self.scopes

    def has_scope(self, *any_of: Scope) -> bool:
        return self.is_admin or not self.scopes.isdisjoint(any_of)


OPEN_ACCESS = Identity(None, frozenset(SCOPES))


class Caller(msgspec.Struct, frozen=True):
    """An identity, or why there is none, and where it calls from."""

    address: str
    identity: Identity | None = None
    failure: Exception | None = None


def network_of(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 that an IPv6 host may roam in."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
