"""What the registry asks the other workers of the service."""

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

from api.wire.messages import SessionInfo


class OtherWorkers(Protocol):
    """The other workers. Those that do not answer are left out."""

    async def complete_unused(self, user_id: str) -> bool:
        """See `api.session.registry.Registry.complete_unused`."""
        ...

    async def live_sessions(self, oldest: UUID, newest: UUID) -> Mapping[str, SessionInfo]:
        """Return the sessions that are live there, by id, from ``oldest`` to ``newest``."""
        ...


class NoOtherWorkers:
    """The service has one process."""

    async def complete_unused(self, user_id: str) -> bool:
        del user_id
        return False

    async def live_sessions(self, oldest: UUID, newest: UUID) -> Mapping[str, SessionInfo]:
        del oldest, newest
        return {}
