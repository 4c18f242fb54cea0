"""The secrets of shared links, and which links can be made.

The address of a link has a secret of 128 random bits, in letters and digits, so that no program
takes its end for punctuation. The service stores half of its SHA-256, by which it finds the link.
`api.observe.logs` recognises the secret by its prefix and removes it from log lines.
"""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import cast, get_args

from api.wire.errors import InvalidParameterError, TooManyLinksError
from storage.shared_links import LinkFormat, SharedLink

MAX_LINKS = 100  # of a session
MAX_LIFETIME_SECONDS = 366 * 86400

_LONGEST_SECONDS = 1e9
_PREFIX = "scribelink"
_FORMATS: tuple[str, ...] = get_args(LinkFormat)


def new_secret() -> str:
    return _PREFIX + secrets.token_hex(16)


def link_id_of(secret: str) -> str:
    """Return the id of the link with this secret."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()[:32]


def new_link(
    secret: str, given: Mapping[str, object], now: datetime, duration_seconds: float
) -> SharedLink:
    """Return a link to a recording of ``duration_seconds`` with the parameters in ``given``.

    Raises :class:`InvalidParameterError`.
    """
    lifetime_seconds = given.get("expires_in_seconds")
    if type(lifetime_seconds) is not int or not 1 <= lifetime_seconds <= MAX_LIFETIME_SECONDS:
        raise InvalidParameterError("expires_in_seconds")
    start, end = _seconds(given, "start"), _seconds(given, "end")
    if start is not None and start >= duration_seconds:
        raise InvalidParameterError("start")
    if end is not None and end <= (start or 0):
        raise InvalidParameterError("end")
    name = given.get("format")
    if name is not None and name not in _FORMATS:
        raise InvalidParameterError("format", _FORMATS)
    return SharedLink(
        link_id=link_id_of(secret),
        created_at=now,
        expires_at=(now + timedelta(seconds=lifetime_seconds)).replace(microsecond=0),
        start=start,
        end=end,
        format=cast("LinkFormat | None", name),
    )


def superfluous(links: list[SharedLink], now: datetime) -> list[SharedLink]:
    """Return the ended links that give way to a new one: all of them if ``links`` are too many.

    Raises :class:`TooManyLinksError` if none has ended.
    """
    if len(links) < MAX_LINKS:
        return []
    ended = [each for each in links if each.expires_at <= now]
    if len(links) - len(ended) >= MAX_LINKS:
        raise TooManyLinksError(MAX_LINKS)
    return ended


def _seconds(given: Mapping[str, object], name: str) -> float | None:
    value = given.get(name)
    if value is None:
        return None
    if type(value) not in {int, float} or not 0 <= cast("float", value) <= _LONGEST_SECONDS:
        raise InvalidParameterError(name)
    return float(cast("float", value))
