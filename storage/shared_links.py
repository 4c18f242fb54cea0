"""Links by which people without an account hear one completed recording, until they end.

Each link is a file or object of its own beside the session's manifest, named by its id and written
once. So nodes and workers need no lock, a damaged link harms no other, and a link is found with one
read.
"""

import re
from datetime import datetime
from typing import Annotated, Literal, Protocol
from uuid import UUID

import msgspec
from msgspec import Meta

from storage.errors import BadObjectError, decoding

# A release reads the versions up to its own.
_VERSION = 1

LinkFormat = Literal["wav", "mp3", "flac", "opus"]

_LINK_ID = re.compile(r"[0-9a-f]{32}")
_Seconds = Annotated[float, Meta(ge=0)]


class SharedLink(msgspec.Struct, frozen=True, kw_only=True):
    """What a link gives access to. Times are in UTC; ``start`` and ``end`` are in seconds.

    ``link_id`` is half of the SHA-256 of the secret in the link's address, which is not stored.
    """

    link_id: str
    created_at: datetime
    expires_at: datetime
    start: _Seconds | None = None
    end: _Seconds | None = None
    format: LinkFormat | None = None


class SharedLinks(Protocol):
    """The links of all sessions. Every coroutine may raise `StorageUnavailableError`.

    A link that cannot be read is left alone and named in the log, as if it did not exist.
    """

    async def add(self, session_id: UUID, link: SharedLink) -> None:
        """Store a link of a completed session. When this returns, it is durable.

        Raises `RecordingNotFoundError` if the session was deleted.
        """
        ...

    async def get(self, session_id: UUID, link_id: str) -> SharedLink | None:
        """Return a link, also if it has ended. ``link_id`` must satisfy `is_link_id`."""
        ...

    async def all(self, session_id: UUID) -> list[SharedLink]:
        """Return the links of a session in the order of their creation."""
        ...

    async def remove(self, session_id: UUID, link_id: str) -> bool:
        """Remove a link; return whether it existed. ``link_id`` must satisfy `is_link_id`."""
        ...


def is_link_id(text: str) -> bool:
    """Return whether ``text`` can be the id of a link: 32 hexadecimal digits."""
    return _LINK_ID.fullmatch(text) is not None


def encode(link: SharedLink) -> bytes:
    return msgspec.json.encode(_Stored(**msgspec.structs.asdict(link)))


def decode(data: bytes, link_id: str) -> SharedLink:
    """Return the link.

    Raises `BadObjectError` for other bytes, another link, and one of a newer version.
    """
    with decoding(f"{link_id}: no link"):
        version = msgspec.json.decode(data, type=_Versioned).version
        if version <= _VERSION:
            stored = msgspec.json.decode(data, type=_Stored)
            if stored.link_id != link_id:
                raise ValueError(f"it is link {stored.link_id}")
            if stored.created_at.tzinfo is None or stored.expires_at.tzinfo is None:
                raise ValueError("a time has no zone")
            fields = {name: getattr(stored, name) for name in SharedLink.__struct_fields__}
            return SharedLink(**fields)
    raise BadObjectError(
        f"{link_id}: a link of version {version}: this release reads up to {_VERSION}"
    )


def in_order(links: list[SharedLink]) -> list[SharedLink]:
    """Return the links in the order of their creation."""
    return sorted(links, key=lambda link: (link.created_at, link.link_id))


class _Versioned(msgspec.Struct):
    version: Annotated[int, Meta(ge=1)]


class _Stored(SharedLink, frozen=True, kw_only=True):
    version: int = _VERSION
