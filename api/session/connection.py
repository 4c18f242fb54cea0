"""A client's connection, as far as a session is concerned. The socket is somebody else's."""

from typing import Protocol

from api.wire.messages import SessionInfo


class Connection(Protocol):
    """A client's connection, as far as its session is concerned."""

    @property
    def last_received(self) -> float:
        """When its last message came, by the session's monotonic clock."""
        ...

    async def end(self, error: Exception) -> None:
        """Say why and close."""
        ...

    async def wait_received(self) -> None:
        """Return when all that was delivered before it closed is received."""
        ...

    async def end_completed(self, info: SessionInfo) -> None:
        """Send the session's final message and close."""
        ...
