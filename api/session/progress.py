"""The signal that wakes listeners when a session has more audio."""

import asyncio


class ProgressSignal:
    """Wakes every waiter at each `notify`, which is cheap if there is no waiter."""

    __slots__ = ("_waiters",)

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        """Wake all waiters: audio was written, or the session has ended."""
        if not self._waiters:  # nearly always
            return
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self) -> None:
        """Return at the next `notify`."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)
