"""Signatures of what nodes say of themselves, so that only nodes of the service get credentials.

A principal that can write to the bucket could otherwise name an address of its own as that of a
node, and other nodes would relay requests with their credentials to it. The signature is an
HMAC-SHA-256 with a key derived from SIGNING_SECRET. It covers the id of the node, the address and
the expiry.
"""

import hashlib
import hmac
import logging
from datetime import datetime

import msgspec

logger = logging.getLogger(__name__)


class Peers:
    """Signs for this node, and remembers which other nodes it cannot verify."""

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        """``keys``: the key that signs, then the keys that are still accepted; or none."""
        self._keys = keys
        self._unverified: set[str] = set()

    @property
    def requires_signatures(self) -> bool:
        """Return whether an address without a valid signature must not be used."""
        return bool(self._keys)

    def sign(self, node_id: str, address: str, expires_at: datetime) -> str:
        """Return the signature; "" without a key."""
        if not self._keys:
            return ""
        return _signature(self._keys[0], node_id, address, expires_at)

    def verify(self, node_id: str, address: str, expires_at: datetime, signature: str) -> bool:
        """Return whether another node has signed this. Log once for each node that has not."""
        valid = [_signature(key, node_id, address, expires_at) for key in self._keys]
        if any(hmac.compare_digest(each.encode(), signature.encode()) for each in valid):
            self._unverified.discard(node_id)
            return True
        if node_id not in self._unverified:
            self._unverified.add(node_id)
            logger.warning(
                "Failed to verify a node: node=%s address=%s; set the same SIGNING_SECRET on all "
                "nodes",
                node_id,
                address,
            )
        return False

    def forget(self, node_id: str) -> None:
        """Forget a node that has died."""
        self._unverified.discard(node_id)

    def problems(self) -> list[str]:
        """Return a text for each node that cannot be verified."""
        setting = "is not that of this node" if self._keys else "is not set"
        return [
            f"node {node_id} cannot be verified: SIGNING_SECRET {setting}"
            for node_id in sorted(self._unverified)
        ]


def _signature(key: bytes, node_id: str, address: str, expires_at: datetime) -> str:
    signed = msgspec.json.encode([node_id, address, expires_at])
    return hmac.new(key, signed, hashlib.sha256).hexdigest()
