"""The interface between a session and a client's connection; `api.routes` implements it."""

from typing import Protocol

from api.wire.messages import SessionInfo


class Connection(Protocol):
    """A client's connection to a session."""

    @property
    def last_received(self) -> float:
        """Return when the last message arrived, in seconds of the monotonic clock."""
        ...

    async def is_alive(self) -> bool:
        """Return whether the client still answers; otherwise the connection ends."""
        ...

    async def end(self, error: Exception) -> None:
        """Send ``error`` to the client and close the connection."""
        ...

    async def wait_received(self) -> None:
        """Return after the session has received all messages delivered before the close."""
        ...

    async def hand_over(self) -> None:
        """Give the session the audio that has arrived and waits for later messages."""
        ...

    async def end_completed(self, info: SessionInfo) -> None:
        """Send the final message of the session and close the connection."""
        ...
