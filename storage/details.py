"""The details of a session: what clients may change while it records and after it is completed.

`Manifest` has the same fields, because it is a subclass. To add a field that can be changed, add it
to both structs here.
"""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from storage.errors import BadObjectError, decoding

# Of an object that has details alone. A release reads the versions up to its own.
_VERSION = 1

_Time = Annotated[datetime, Meta(tz=True)]


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """A title, metadata by name, and how long the session is kept.

    ``hold``: nothing deletes the session. ``expires_at``, in UTC: when a completed session is
    deleted, in place of an age. Which values are valid is decided where clients give them.
    """

    title: str | None = None
    metadata: dict[str, str] = {}
    hold: bool = False
    expires_at: _Time | None = None

    def is_expired(self, now: datetime) -> bool:
        """Return whether the time has come to delete the session, if it is completed."""
        return self.expires_at is not None and self.expires_at <= now and not self.hold


class DetailChanges(msgspec.Struct, frozen=True, kw_only=True):
    """New values of details. A field that is ``UNSET`` stays as it is."""

    title: str | UnsetType | None = UNSET
    metadata: dict[str, str] | UnsetType = UNSET
    hold: bool | UnsetType = UNSET
    expires_at: _Time | UnsetType | None = UNSET

    def apply_to(self, details: Details) -> Details:
        """Return the details with the new values; each of them replaces the old one as a whole."""
        new = {name: value for name, value in msgspec.structs.asdict(self).items()
               if value is not UNSET}  # fmt: skip
        return msgspec.structs.replace(details, **new)


def encode(details: Details) -> bytes:
    """Return the details as an object of their own."""
    return msgspec.json.encode(_Stored(**msgspec.structs.asdict(details)))


def decode(data: bytes, name: str) -> Details:
    """Return the details in the object ``name``.

    Raises `BadObjectError` for other bytes, and for an object of a newer version.
    """
    with decoding(f"{name}: no details"):
        stored = msgspec.json.decode(data, type=_Stored)
        if stored.version <= _VERSION:
            return details_of(stored)
    raise BadObjectError(
        f"{name}: details of version {stored.version}: this release reads up to {_VERSION}"
    )


def details_of(carrier: Details) -> Details:
    """Return the details alone of what has them among other fields."""
    return Details(**{name: getattr(carrier, name) for name in Details.__struct_fields__})


class _Stored(Details, frozen=True, kw_only=True):
    version: int = _VERSION
