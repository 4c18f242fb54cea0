"""Identities, scopes and callers."""

import ipaddress
from datetime import datetime
from typing import Literal, get_args

import msgspec

Scope = Literal["record", "read", "admin", "ingest"]
SCOPES: tuple[Scope, ...] = get_args(Scope)


class Identity(msgspec.Struct, frozen=True):
    """An authenticated user and its scopes.

    ``user`` is None if authentication is off; then all scopes are granted. ``session_id`` is set
    for a session token, which is valid for that session only. ``expires_at`` is the end of a
    token; None for an API key.
    """

    user: str | None
    scopes: frozenset[Scope]
    session_id: str | None = None
    expires_at: datetime | None = None

    @property
    def is_admin(self) -> bool:
        return "admin" in self.scopes

    @property
    def has_admin_reserve(self) -> bool:
        """Return whether it may create sessions beyond the limit: an authenticated admin."""
        return self.is_admin and self.user is not None

    def has_scope(self, *any_of: Scope) -> bool:
        return self.is_admin or not self.scopes.isdisjoint(any_of)


# Of a token that platforms show in URLs and messages: it can create sessions of calls, only.
INGEST_ONLY: frozenset[Scope] = frozenset({"ingest"})

OPEN_ACCESS = Identity(None, frozenset(SCOPES))


class Caller(msgspec.Struct, frozen=True):
    """The client's address, and its identity or the reason why it has none."""

    address: str
    identity: Identity | None = None
    failure: Exception | None = None


def network_of(address: str) -> str:
    """Return the key under which rates are counted: the IPv4 address, or the IPv6 /64 network.

    An IPv6 host can use any address of its /64.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
