"""The API key or token that a client sends to the service."""

import asyncio
from collections.abc import Awaitable, Callable

from sercuescribe_client.errors import InvalidCredentialsError

Refresh = Callable[[], Awaitable[str]]


class Credentials:
    """An API key or a token, which ``refresh`` replaces after the service reports its expiry.

    Raises ``InvalidCredentialsError`` for one that no header can carry.
    """

    def __init__(self, secret: str | None, refresh: Refresh | None = None) -> None:
        self._secret = _checked(secret)
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
                self._secret = _checked(await self._refresh())
        return True


def _checked(secret: str | None) -> str | None:
    if secret and not (secret.isascii() and secret.isprintable() and " " not in secret):
        text = (
            "The key or token has a space, a line break or a character beyond ASCII: copy it again"
        )
        raise InvalidCredentialsError("invalid_credentials", text)
    return secret
