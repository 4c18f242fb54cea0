"""What storage backends raise. Each backend translates its own errors into these, once."""


class StorageError(Exception):
    """Anything a storage backend raises."""


class RecordingNotFoundError(StorageError):
    """There is no such session."""


class StorageUnavailableError(StorageError):
    """The store failed (full, gone, refusing). Trying again may succeed."""


class FencedError(StorageError):
    """Another node writes this session now; this writer's recording is over."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"another node writes {session_id} now")
        self.session_id = session_id


class OwnedElsewhereError(StorageError):
    """Another node, which lives, writes this session. It is reached at ``address``."""

    def __init__(self, session_id: str, address: str) -> None:
        super().__init__(f"{session_id} is written by {address}")
        self.session_id = session_id
        self.address = address
