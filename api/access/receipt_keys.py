"""The keys of receipts: the one that signs, and those that are retired and still valid."""

import functools
from collections.abc import Callable
from pathlib import Path

from api.access.signing import stored_secret
from api.wire.messages import KeyDocument, PublicKey
from storage.receipt_key import ReceiptKey, key_id, parse_key

KEY_FILE = ".receipt-key"


class ReceiptKeys:
    """The keys of one service. The methods read, or create, the stored key: they block."""

    def __init__(
        self,
        private_key: str,
        retired_keys: list[str],
        folder: Path | None,
        *,
        may_create: bool = True,
    ) -> None:
        """Without ``private_key``, the key is stored in ``folder``; without both, none signs.

        ``may_create``: a missing key is created there. All keys are in hexadecimal. Raises
        ``ValueError`` for one that is none.
        """
        self._retired = [parse_key(each) for each in retired_keys]
        if private_key:
            seed = parse_key(private_key)
            self._seed: Callable[[], bytes] | None = lambda: seed
        elif folder is not None and (may_create or (folder / KEY_FILE).exists()):
            path = folder / KEY_FILE
            self._seed = lambda: parse_key(stored_secret(path).decode())
        else:
            self._seed = None
        self.signing = functools.cache(self._read)

    def _read(self) -> ReceiptKey | None:
        """Return the key that signs. Raises ``OSError`` or ``ValueError`` if it cannot be read."""
        return None if self._seed is None else ReceiptKey(self._seed())

    def public(self) -> list[bytes]:
        """Return the public keys, the current one first."""
        key = self.signing()
        return ([] if key is None else [key.public]) + self._retired

    def document(self) -> KeyDocument:
        return KeyDocument(
            keys=[PublicKey(kid=key_id(key), public_key=key.hex()) for key in self.public()]
        )
