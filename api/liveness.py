"""An ASGI extension: a handler asks whether the client of a WebSocket still answers.

The server sends a ping at once and waits a short time for any sign of life. It closes a connection
without one, as it does after the timeout of its regular pings; then the handler receives the end.
"""

from collections.abc import Awaitable, Callable
from typing import Any

EXTENSION = "sercuescribe.is_alive"

IsAlive = Callable[[], Awaitable[bool]]


async def is_alive(scope: Any) -> bool:
    """Return whether the connection of ``scope`` stays open; True if the server cannot tell."""
    ask: IsAlive | None = (scope.get("extensions") or {}).get(EXTENSION)
    return ask is None or await ask()
