"""Download links that carry their own permission: an address, an expiry, a signature.

A presigned URL for a volume. The signature is an HMAC-SHA-256 over method, path and
expiry, so that a link opens one file, for reading, until its time is over.
"""

import contextlib
import hashlib
import hmac
import os
import secrets
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from api.errors import InvalidSignatureError, UrlExpiredError
from api.messages import DownloadLink


class LinkSigner:
    """Makes links and checks them. ``secret`` must be the same wherever they are checked."""

    def __init__(self, secret: bytes, *, ttl_seconds: int) -> None:
        self._secret = secret
        self._ttl_seconds = ttl_seconds

    def link(self, base_url: str, path: str, now: datetime) -> DownloadLink:
        """A link to ``path`` that works until ``expires_at`` and no longer."""
        expires_at = (now + timedelta(seconds=self._ttl_seconds)).replace(microsecond=0)
        expires = str(int(expires_at.timestamp()))
        query = urlencode({"expires": expires, "signature": self._signature(path, expires)})
        return DownloadLink(url=f"{base_url}{path}?{query}", expires_at=expires_at)

    def check(self, path: str, expires: str, signature: str, now: datetime) -> None:
        """Raises :class:`InvalidSignatureError` or :class:`UrlExpiredError`."""
        if not hmac.compare_digest(self._signature(path, expires).encode(), signature.encode()):
            raise InvalidSignatureError
        if int(expires) <= now.timestamp():
            raise UrlExpiredError

    def _signature(self, path: str, expires: str) -> str:
        signed = f"GET\n{path}\n{expires}".encode()
        return hmac.new(self._secret, signed, hashlib.sha256).hexdigest()


def kept_secret(path: Path) -> bytes:
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
