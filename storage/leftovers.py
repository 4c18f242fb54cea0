"""What crashes have left in a storage and nothing removes: how commands find and remove it."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime
from typing import Protocol

import msgspec


class Leftover(msgspec.Struct, frozen=True):
    """Files or objects of one kind that no session needs.

    ``changed_at`` is when the newest of them was written. ``remove`` may be called again, and may
    raise `StorageUnavailableError`.
    """

    kind: str
    name: str
    size_bytes: int
    changed_at: datetime
    remove: Callable[[], Awaitable[None]]


LeftAlone = Callable[[str, object], None]


class Leftovers(Protocol):
    """Leftovers of one storage. The service may run on it meanwhile."""

    def find(self, before: datetime, left_alone: LeftAlone) -> AsyncGenerator[Leftover, None]:
        """Yield what was last written before that moment, nothing of a session that may be active.

        ``left_alone`` is called with the name of what may be a leftover and the reason why it is
        none: a manifest that cannot be read, audio without a manifest.
        """
        ...
