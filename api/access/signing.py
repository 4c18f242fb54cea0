"""The service's own secret, and the keys made of it.

The nodes of a service share it (``SIGNING_SECRET``). A new one takes the place of the old one
without refusing what that signed: both are known for a while (``SIGNING_SECRET_PREVIOUS``).
"""

import contextlib
import functools
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from pathlib import Path


class SigningKeys:
    """A key for each purpose, so that what is signed for one never counts for another.

    ``secrets`` gives the secret that signs, then those that are still accepted; it is asked when
    a key is needed for the first time.
    """

    def __init__(self, secrets: Callable[[], tuple[bytes, ...]]) -> None:
        self._secrets = functools.cache(secrets)

    def for_purpose(self, purpose: str) -> tuple[bytes, ...]:
        """The key that signs, then those that are still accepted."""
        return tuple(
            hmac.new(secret, purpose.encode(), hashlib.sha256).digest()
            for secret in self._secrets()
        )


def stored_secret(path: Path) -> bytes:
    """The secret in the file at ``path``, made the first time it is asked for."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(secrets.token_hex(32).encode())
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # somebody else was first
            os.link(temporary, path)
        temporary.unlink()
    return path.read_bytes()
