"""The errors of storage backends. Each backend translates its own errors into these."""


class StorageError(Exception):
    """The base of all errors of storage backends."""


class RecordingNotFoundError(StorageError):
    """The session does not exist."""


class StorageUnavailableError(StorageError):
    """The store failed: full, unreachable, refused. A retry may succeed."""


class BadObjectError(StorageUnavailableError):
    """One object or file does not hold what it should: damaged, foreign, or of a newer release.

    Trying again does not help, and other sessions are not concerned.
    """


class FencedError(StorageError):
    """Another node has taken the session over. This recording can write nothing more."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"another node writes {session_id} now")
        self.session_id = session_id


class OwnedElsewhereError(StorageError):
    """Another living node, reached at ``address``, writes the session."""

    def __init__(self, session_id: str, address: str) -> None:
        super().__init__(f"{session_id} is written by {address}")
        self.session_id = session_id
        self.address = address
