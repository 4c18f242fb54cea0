"""The signing secret of the service, and the keys derived from it.

All nodes of a service need the same ``SIGNING_SECRET``. To replace it without invalidating existing
links and tokens, set ``SIGNING_SECRET_PREVIOUS`` to the old secret until they have expired.
"""

import contextlib
import functools
import hashlib
import hmac
import logging
import os
import secrets
from collections.abc import Callable
from pathlib import Path

logger = logging.getLogger(__name__)

# As long as the output of SHA-256: RFC 7518, section 3.2, for tokens signed with HS256.
MIN_SECRET_BYTES = 32


class SigningKeys:
    """Derives one key per purpose, so that a signature for one purpose is not valid for another.

    ``secrets`` returns the secret that signs, then the secrets that are still accepted; it is
    called once, when a key is needed for the first time.
    """

    def __init__(self, secrets: Callable[[], tuple[bytes, ...]]) -> None:
        self._secrets = functools.cache(secrets)

    def for_purpose(self, purpose: str) -> tuple[bytes, ...]:
        """Return the key that signs, then the keys that are still accepted."""
        return tuple(
            hmac.new(secret, purpose.encode(), hashlib.sha256).digest()
            for secret in self._secrets()
        )


def check_secret(secret: bytes) -> None:
    """Raise ``ValueError`` if ``secret`` is so short that it can be guessed."""
    if len(secret) < MIN_SECRET_BYTES:
        raise ValueError(
            f"the secret has {len(secret)} bytes, expected at least {MIN_SECRET_BYTES}; "
            "create one with: openssl rand -hex 32"
        )


def check_stored_secret(path: Path) -> None:
    """Raise ``ValueError`` if the file at ``path`` holds a short secret.

    Remove the file if it is empty, as damage to a disk leaves it: it has signed nothing.
    """
    if path.exists():
        if path.stat().st_size == 0:
            logger.warning(
                "Empty signing key replaced, links and tokens are invalid: file=%s", path
            )
            path.unlink()
            return
        try:
            check_secret(path.read_bytes())
        except ValueError as error:
            raise ValueError(
                f"{path}: {error}, or delete the file: the service creates another one, and "
                "existing links and tokens become invalid"
            ) from None


def stored_secret(path: Path) -> bytes:
    """Return the secret in the file at ``path``; create the file (mode 0600) if it is missing."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(secrets.token_hex(32).encode())
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process created it
            os.link(temporary, path)
        temporary.unlink()
    return path.read_bytes()
