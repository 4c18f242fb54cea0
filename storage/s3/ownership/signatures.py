"""Signatures of what nodes say of themselves, so that only nodes of the service get credentials.

A principal that can write to the bucket could otherwise name an address of its own as that of a
node, and other nodes would relay requests with their credentials to it. The signature is an
HMAC-SHA-256 with a key derived from SIGNING_SECRET. It covers the id of the node, the address and
the expiry.
"""

import hashlib
import hmac
from datetime import datetime

import msgspec

from storage.s3.ownership.presence import Presence


class Signatures:
    """Signs and verifies the presence of nodes."""

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        """``keys``: the key that signs, then the keys that are still accepted; or none."""
        self._keys = keys

    @property
    def are_required(self) -> bool:
        """Return whether an address without a valid signature must not be used."""
        return bool(self._keys)

    def sign(self, node_id: str, address: str, expires_at: datetime) -> str:
        """Return the signature; "" without a key."""
        if not self._keys:
            return ""
        return _signature(self._keys[0], node_id, address, expires_at)

    def are_valid(self, node_id: str, presence: Presence) -> bool:
        """Return whether a node of the service has signed this. False without a key."""
        expected = [
            _signature(key, node_id, presence.address, presence.expires_at) for key in self._keys
        ]
        return any(
            hmac.compare_digest(each.encode(), presence.signature.encode()) for each in expected
        )


def _signature(key: bytes, node_id: str, address: str, expires_at: datetime) -> str:
    signed = msgspec.json.encode([node_id, address, expires_at])
    return hmac.new(key, signed, hashlib.sha256).hexdigest()
