"""Slots that callers share, so that no caller can hold them all."""

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import AsyncIterator


class FairSlots:
    """``limit`` slots, of which one caller holds at most ``per_caller``.

    A free slot goes to the waiting caller that holds the fewest, and among equals to the one that
    has waited longest.
    """

    def __init__(self, *, per_caller: int, limit: float = math.inf) -> None:
        self._per_caller = per_caller
        self._free = limit
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, dict[asyncio.Future[None], None]] = {}

    @contextlib.asynccontextmanager
    async def hold(self, caller: str, *, wait_seconds: float | None = None) -> AsyncIterator[None]:
        """Hold a slot for ``caller``. Raises ``TimeoutError`` after ``wait_seconds``."""
        async with asyncio.timeout(wait_seconds):
            await self._acquire(caller)
        try:
            yield
        finally:
            self._release(caller)

    async def _acquire(self, caller: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, {})[turn] = None
        self._grant()
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self._release(caller)  # granted at the same time
            else:
                self._remove(caller, turn)
            raise

    def _release(self, caller: str) -> None:
        self._free += 1
        self._held[caller] -= 1
        if not self._held[caller]:
            del self._held[caller]
        self._grant()

    def _grant(self) -> None:
        while self._free and (caller := self._next()) is not None:
            turn = next(iter(self._waiting[caller]))
            self._remove(caller, turn)
            if not turn.done():  # else it is cancelled, which its task does not know yet
                self._free -= 1
                self._held[caller] += 1
                turn.set_result(None)

    def _next(self) -> str | None:
        caller = min(self._waiting, key=self._held.__getitem__, default=None)
        return None if caller is None or self._held[caller] >= self._per_caller else caller

    def _remove(self, caller: str, turn: "asyncio.Future[None]") -> None:
        turns = self._waiting.get(caller, {})
        turns.pop(turn, None)
        if not turns:
            self._waiting.pop(caller, None)
