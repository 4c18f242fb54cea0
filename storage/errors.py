"""The errors of storage backends. Each backend translates its own errors into these."""

import contextlib
import struct
from collections.abc import Iterator

import msgspec


class StorageError(Exception):
    """The base of all errors of storage backends."""


class RecordingNotFoundError(StorageError):
    """The session does not exist."""


class SessionHeldError(StorageError):
    """The session has a hold, so nothing deletes it."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"{session_id} is held")
        self.session_id = session_id


class StorageUnavailableError(StorageError):
    """The store failed: full, unreachable, refused. A retry may succeed."""


class BadObjectError(StorageUnavailableError):
    """One object or file does not hold what it should: damaged, foreign, or of a newer release.

    Trying again does not help, and other sessions are not concerned.
    """


@contextlib.contextmanager
def decoding(name: str) -> Iterator[None]:
    """Raise `BadObjectError`, which names the object, for what bad bytes make a decoder raise.

    Besides msgspec's own errors these are bad UTF-8 and numbers out of range (``ValueError``,
    ``OverflowError``), too deep nesting (``RecursionError``) and truncated structures.
    """
    try:
        yield
    except (
        msgspec.MsgspecError, ValueError, OverflowError, RecursionError, struct.error
    ) as error:  # fmt: skip
        raise BadObjectError(f"{name}: {error}") from error


class SyncFailedError(StorageError):
    """What was written after the persisted checkpoint may be lost. The recording ends there.

    After ``fdatasync`` has failed, the kernel may consider the lost pages clean, so that the next
    one succeeds (PostgreSQL wiki, "Fsync Errors"). What comes after ``persisted_chunk_count``
    must be sent again.
    """

    def __init__(self, persisted_chunk_count: int) -> None:
        super().__init__(f"The disk failed: send again from chunk {persisted_chunk_count + 1} on")


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
