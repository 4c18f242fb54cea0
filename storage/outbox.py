"""What every storage backend promises about the outbox: events that are not yet delivered.

An entry is a small file or object with a place: below the node that wrote it, in a slot of time,
under a name. Slots are minutes, so that the entries that are due first are found without reading
the others. The service decides what an entry holds and when it moves to another slot
(`api.events`).
"""

import re
from typing import Protocol

import msgspec

SLOT_SECONDS = 60

# Of entries that have not been looked at yet: before every other slot.
FIRST_SLOT = 0

# Entries below these have no node that lives: events that were given up, and those that an
# operator wants to have delivered again.
DEAD = "dead"
RETRIED = "retried"

_SLOT_DIGITS = 9
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,127}")


class Place(msgspec.Struct, frozen=True, order=True):
    """Where an entry is. The order is that of slots for one node."""

    node: str
    slot: int
    name: str

    def moved(self, slot: int, node: str | None = None) -> "Place":
        """Return the place of the same name in another slot, and below another node if given."""
        return Place(node or self.node, slot, self.name)

    def named(self, name: str) -> "Place":
        """Return the place of another name beside this one."""
        return Place(self.node, self.slot, name)


def slot_of(unix_seconds: float) -> int:
    """Return the slot of a moment."""
    return max(FIRST_SLOT + 1, int(unix_seconds // SLOT_SECONDS))


def slot_begin(slot: int) -> float:
    """Return the Unix time at which the slot begins."""
    return float(slot * SLOT_SECONDS)


def slot_name(slot: int) -> str:
    return f"{slot:0{_SLOT_DIGITS}}"


def parse_slot(text: str) -> int | None:
    """Return the slot of a folder's name, None if it is none."""
    is_slot = len(text) == _SLOT_DIGITS and text.isascii() and text.isdigit()
    return int(text) if is_slot else None


def is_name(text: str) -> bool:
    """Return whether ``text`` can name an entry or a node."""
    return _NAME.fullmatch(text) is not None


class OutboxEntries(Protocol):
    """All entries. Every coroutine may raise `StorageUnavailableError`."""

    async def put(self, place: Place, data: bytes) -> None:
        """Write an entry whole. When this returns, it survives what the storage survives."""
        ...

    async def get(self, place: Place) -> bytes:
        """Read an entry. Raises `RecordingNotFoundError`."""
        ...

    async def remove(self, place: Place) -> None:
        """Remove an entry, if it exists. After a loss of power it may be there again."""
        ...

    async def page(self, node: str, limit: int) -> list[Place]:
        """Return up to ``limit`` entries of the earliest slots of a node, sorted by slot.

        Costs the page, however many entries there are. Names that do not parse are left out.
        """
        ...

    async def nodes(self) -> list[str]:
        """Return what entries lie below, sorted: nodes, living or not, `DEAD`, `RETRIED`."""
        ...


class Outbox(OutboxEntries, Protocol):
    """The entries, as one node of the service sees them."""

    async def claim(self) -> str:
        """Return the node below which this process writes, between start and stop of the storage.

        No other living process has it. After a crash it can be the same again.
        """
        ...

    async def abandoned(self) -> list[str]:
        """Return nodes with entries that no living node delivers, if this one should.

        Two nodes may both get one for a moment.
        """
        ...
