"""Signatures of webhooks, as Standard Webhooks says (specification 1.0, symmetric signatures).

A secret is ``whsec_`` and 24 to 64 random bytes in Base64. What is signed is the id of the
message, the Unix time and the body, with dots between them.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable

_PREFIX = "whsec_"
_LENGTHS = range(24, 65)
_NEW_BYTES = 32


def new_secret() -> str:
    """Return a random secret."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_NEW_BYTES)).decode()


def parse_secret(text: str) -> bytes:
    """Return the key. Raises ``ValueError`` with the reason, which does not have the secret."""
    if not text.startswith(_PREFIX):
        raise ValueError(f"a secret begins with {_PREFIX}")
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"what follows {_PREFIX} is not Base64") from error
    if len(key) not in _LENGTHS:
        raise ValueError(f"a secret has 24 to 64 bytes, this one has {len(key)}")
    return key


def signed_headers(
    keys: Iterable[bytes], message_id: str, unix_seconds: int, body: bytes
) -> dict[str, str]:
    """Return the headers of a message, with one signature for each key."""
    signed = f"{message_id}.{unix_seconds}.".encode() + body
    digests = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(unix_seconds),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(each).decode()}" for each in digests),
    }
