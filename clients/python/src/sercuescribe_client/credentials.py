"""The API key or token that a client sends to the service."""

import asyncio
from collections.abc import Awaitable, Callable

Refresh = Callable[[], Awaitable[str]]


class Credentials:
    """An API key or a token, which ``refresh`` replaces after the service reports its expiry."""

    def __init__(self, secret: str | None, refresh: Refresh | None = None) -> None:
        self._secret = secret
        self._refresh = refresh
        self._refresh_lock = asyncio.Lock()

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._secret}"} if self._secret else {}

    async def renew(self, expired_headers: dict[str, str]) -> bool:
        """Replace the token of ``expired_headers`` once for all callers.

        Return False if there is no ``refresh`` function.
        """
        if self._refresh is None:
            return False
        async with self._refresh_lock:
            if self.headers == expired_headers:
                self._secret = await self._refresh()
        return True
