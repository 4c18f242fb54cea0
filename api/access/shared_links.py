"""The secrets of shared links, and which links can be made.

The address of a link has a secret of 128 random bits, in letters and digits, so that no program
takes its end for punctuation. The service stores half of its SHA-256, by which it finds the link.
`api.observe.logs` recognises the secret by its prefix and removes it from log lines.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from api.wire.errors import InvalidParameterError, TooManyLinksError
from api.wire.messages import MAX_LINK_SECONDS, CreateLink
from storage.shared_links import SharedLink

MAX_LINKS = 100  # of a session

_PREFIX = "scribelink"


def new_secret() -> str:
    return _PREFIX + secrets.token_hex(16)


def link_id_of(secret: str) -> str:
    """Return the id of the link with this secret."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()[:32]


def new_link(secret: str, wanted: CreateLink, now: datetime, duration_seconds: float) -> SharedLink:
    """Return a link to a recording of ``duration_seconds``.

    Raises :class:`InvalidParameterError`.
    """
    start, end = wanted.start or 0.0, wanted.end
    if not 1 <= wanted.expires_in_seconds <= MAX_LINK_SECONDS:
        raise InvalidParameterError("expires_in_seconds")
    if start < 0 or (start and start >= duration_seconds):
        raise InvalidParameterError("start")
    if end is not None and end <= start:
        raise InvalidParameterError("end")
    return SharedLink(
        link_id=link_id_of(secret),
        created_at=now,
        expires_at=now + timedelta(seconds=wanted.expires_in_seconds),
        start=wanted.start,
        end=end,
        format=wanted.format,
    )


def superfluous(links: list[SharedLink], now: datetime) -> list[SharedLink]:
    """Return the ended links that give way to a new one: all of them if ``links`` are too many.

    Raises :class:`TooManyLinksError` if too few have ended.
    """
    if len(links) < MAX_LINKS:
        return []
    ended = [each for each in links if each.expires_at <= now]
    if len(links) - len(ended) >= MAX_LINKS:
        raise TooManyLinksError(MAX_LINKS)
    return ended
