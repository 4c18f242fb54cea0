"""What a storage reports of its work, for metrics and traces."""

import contextlib


class Observer:
    """Gets reports, and ignores them. A subclass counts them; any thread may call a method."""

    def persisted(self, lag_seconds: float) -> None:
        """Audio was persisted that was recorded up to ``lag_seconds`` ago."""

    def synced(self, seconds: float) -> None:
        """All new audio, or the spool of one session, was synced to the disk within ``seconds``."""

    def requested(self, operation: str, seconds: float) -> None:
        """The store has answered a request, with its retries, within ``seconds``."""

    def failed(self, operation: str) -> None:
        """A request to the store, or a write or sync of the disk, has failed."""

    def warned(self, code: str) -> None:
        """The storage has added a warning to a session."""

    def span(self, name: str, session_id: str) -> contextlib.AbstractContextManager[None]:
        """Return a context manager around one step of the work on a session."""
        del name, session_id
        return contextlib.nullcontext()


IGNORE = Observer()
