"""Signed download links for audio on a volume, like the presigned URLs of S3.

The signature is an HMAC-SHA-256 over method, path and expiry: a link is valid for reading one
file until it expires, without further credentials.
"""

import hashlib
import hmac
from datetime import datetime, timedelta
from urllib.parse import urlencode

from api.access.signing import SigningKeys
from api.wire.errors import InvalidSignatureError, UrlExpiredError
from api.wire.messages import DownloadLink

_PURPOSE = "download link"


class LinkSigner:
    """Creates and checks signed links."""

    def __init__(self, keys: SigningKeys) -> None:
        self._keys = keys

    def link(self, base_url: str, path: str, ttl_seconds: int, now: datetime) -> DownloadLink:
        """Return a link to ``path`` that expires ``ttl_seconds`` after ``now``."""
        expires_at = (now + timedelta(seconds=ttl_seconds)).replace(microsecond=0)
        expires = str(int(expires_at.timestamp()))
        signature = _signature(self._keys.for_purpose(_PURPOSE)[0], path, expires)
        query = urlencode({"expires": expires, "signature": signature})
        return DownloadLink(url=f"{base_url}{path}?{query}", expires_at=expires_at)

    def check(self, path: str, expires: str, signature: str, now: datetime) -> None:
        """Raise :class:`InvalidSignatureError` or :class:`UrlExpiredError` for a bad link.

        ``expires`` is in Unix seconds.
        """
        valid = [
            _signature(key, path, expires).encode() for key in self._keys.for_purpose(_PURPOSE)
        ]
        if not any(hmac.compare_digest(each, signature.encode()) for each in valid):
            raise InvalidSignatureError
        if int(expires) <= now.timestamp():
            raise UrlExpiredError


def lifetime_seconds(ttl_seconds: int, now: datetime, *ends_at: datetime | None) -> int:
    """Return the lifetime of a link: at most ``ttl_seconds``, and not beyond any of ``ends_at``.

    So what a caller makes with a credential ends with that credential. The least is a second.
    """
    left_seconds = [int((end - now).total_seconds()) for end in ends_at if end is not None]
    return max(1, min([ttl_seconds, *left_seconds]))


def _signature(key: bytes, path: str, expires: str) -> str:
    signed = f"GET\n{path}\n{expires}".encode()
    return hmac.new(key, signed, hashlib.sha256).hexdigest()
