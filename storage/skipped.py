"""Names in the log what a storage does not recognise and leaves alone."""

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

logger = logging.getLogger(__name__)

_MAX_NAMES = 1000


class SkippedObjects:
    """Logs each file or object that is left alone once, however often it is met."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def report(self, name: str, reason: object) -> None:
        """Log the name unless it is logged already."""
        if name in self._names:
            return
        if len(self._names) >= _MAX_NAMES:
            self._names.clear()
        self._names.add(name)
        logger.warning("%s: left alone: reason=%s", name, reason)

    def parsed(self, names: Iterable[str], parse: Callable[[str], T | None]) -> list[T]:
        """Return what ``parse`` makes of the names; report those of which it makes nothing."""
        found = []
        for name in names:
            if (value := parse(name)) is None:
                self.report(name, "not a name of this service")
            else:
                found.append(value)
        return found
