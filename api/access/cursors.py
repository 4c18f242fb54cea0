"""The cursors of lists: positions that callers pass back and cannot read.

A position is the id of a session, and perhaps of another user's: a page ends where the scan of the
store has stopped. So cursors are encrypted, with AES-GCM.
"""

import base64
import binascii
import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from api.access.signing import SigningKeys
from api.wire.errors import InvalidParameterError

_PURPOSE = "list cursor"
_NONCE_BYTES = 12


class Cursors:
    """Seals and opens cursors."""

    def __init__(self, keys: SigningKeys) -> None:
        self._keys = keys

    def seal(self, session_id: UUID) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        key = self._keys.for_purpose(_PURPOSE)[0]
        sealed = nonce + AESGCM(key).encrypt(nonce, session_id.bytes, None)
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def open(self, cursor: str) -> UUID:
        """Return the position. Raises :class:`InvalidParameterError` for an altered cursor."""
        try:
            sealed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except (ValueError, binascii.Error) as error:
            raise InvalidParameterError("cursor") from error
        nonce, encrypted = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        for key in self._keys.for_purpose(_PURPOSE):
            try:
                return UUID(bytes=AESGCM(key).decrypt(nonce, encrypted, None))
            except (InvalidTag, ValueError):
                continue
        raise InvalidParameterError("cursor")
