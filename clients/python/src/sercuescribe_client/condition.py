"""A condition variable for tasks of one event loop."""

import asyncio
from collections.abc import Callable


class Condition:
    """Wake up waiting tasks after a change, like ``asyncio.Condition`` without its lock."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify_all(self) -> None:
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def wait_for(self, predicate: Callable[[], object]) -> None:
        """Return when ``predicate`` is true. Check it now and after every notification."""
        while not predicate():
            await self._event.wait()
