"""What a session tells of itself: where the registry and the sessions announce events."""

import contextlib
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from api.wire.messages import SessionInfo


class SessionEvents(Protocol):
    """Gets each event of a session.

    The context managers are for the block that brings the event about: when the block begins, it
    is stored that the event may happen. They raise `StorageUnavailableError` if that fails. The
    other methods return at once and raise nothing.
    """

    def creating(self, session_id: str) -> AbstractAsyncContextManager[None]: ...

    def completing(self, session_id: str) -> AbstractAsyncContextManager[None]: ...

    def deleting(
        self, sessions: Mapping[str, SessionInfo | None]
    ) -> AbstractAsyncContextManager[None]:
        """Announce that sessions are deleted; None if nothing is known of one but its id."""
        ...

    def warned(self, session_id: str, code: str) -> None:
        """Announce the first warning with this code."""
        ...

    def taken_over(self, session_id: str) -> None: ...


class NoEvents:
    """Announces nothing: no webhook is configured."""

    def creating(self, session_id: str) -> AbstractAsyncContextManager[None]:
        del session_id
        return contextlib.nullcontext()

    completing = creating

    def deleting(
        self, sessions: Mapping[str, SessionInfo | None]
    ) -> AbstractAsyncContextManager[None]:
        del sessions
        return contextlib.nullcontext()

    def warned(self, session_id: str, code: str) -> None:
        del session_id, code

    def taken_over(self, session_id: str) -> None:
        del session_id
