"""What a client shows the service to say who it is."""

import asyncio
from collections.abc import Awaitable, Callable

Refresh = Callable[[], Awaitable[str]]


class Credentials:
    """An API key or a token, which ``refresh`` replaces when the service says that it expired."""

    def __init__(self, secret: str | None, refresh: Refresh | None = None) -> None:
        self._secret = secret
        self._refresh = refresh
        self._refreshing = asyncio.Lock()

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._secret}"} if self._secret else {}

    async def renew(self, expired: dict[str, str]) -> bool:
        """Replace what ``expired`` showed. False where nobody can; several callers ask once."""
        if self._refresh is None:
            return False
        async with self._refreshing:
            if self.headers == expired:
                self._secret = await self._refresh()
        return True
