"""Waiting for a condition that something else in the same event loop makes true."""

import asyncio
from collections.abc import Callable


class News:
    """Whoever changes something tells; whoever waits looks again."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def tell(self) -> None:
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def until(self, condition: Callable[[], object]) -> None:
        while not condition():
            await self._event.wait()
