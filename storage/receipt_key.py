"""Keys that sign receipts: Ed25519 (RFC 8032), named by the SHA-256 of the public key."""

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_BYTES = 32


class ReceiptKey:
    """A private key."""

    def __init__(self, seed: bytes) -> None:
        """Raises ``ValueError`` unless ``seed`` has 32 bytes."""
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._private.public_key().public_bytes_raw()
        self.kid = key_id(self.public)

    def sign(self, data: bytes) -> bytes:
        """Return the signature: 64 bytes."""
        return self._private.sign(data)


def key_id(public: bytes) -> str:
    """Return the name of a public key, in hexadecimal."""
    return hashlib.sha256(public).hexdigest()


def parse_key(text: str) -> bytes:
    """Return the 32 bytes of a key in hexadecimal. Raises ``ValueError``."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError("a key has 64 hexadecimal digits; create one with: openssl rand -hex 32")
    return key


def is_signed_by(public: bytes, signature: bytes, data: bytes) -> bool:
    """Return whether the signature is that of the public key."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True
