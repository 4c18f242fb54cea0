"""The SQLite file of the index: opened under a lock, checked, replaced when it is damaged.

It has a rollback journal, not a WAL: the WAL maps a file into memory, which kills the process if
that file is truncated or the disk fails, and it does not work on network file systems. Nothing is
synced: what a loss of power leaves is checked at the next start.
"""

import contextlib
import logging
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from storage import files
from storage.errors import StorageUnavailableError
from storage.local.index_lock import IndexLock

logger = logging.getLogger(__name__)

_VERSION = 3  # of the schema; a file of another version is replaced
_SCHEMA = """
BEGIN;
CREATE TABLE meta (generation TEXT NOT NULL, is_complete INTEGER NOT NULL);
INSERT INTO meta VALUES ('', 0);
CREATE TABLE sessions (
    id BLOB NOT NULL PRIMARY KEY,
    user_id TEXT,
    state INTEGER NOT NULL,
    text TEXT NOT NULL,
    metadata TEXT NOT NULL,
    expires_at INTEGER
) WITHOUT ROWID;
CREATE INDEX by_state ON sessions (state, id);
CREATE INDEX by_user ON sessions (user_id, state, id);
CREATE INDEX by_expiry ON sessions (expires_at) WHERE expires_at IS NOT NULL;
COMMIT;
"""
_WAIT_SECONDS = 2.0

# Errors that say nothing of the content: another process holds the lock, or the machine lacks
# descriptors, memory or disk space.
_PASSING = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM,
}  # fmt: skip


class IndexUnavailableError(StorageUnavailableError):
    """The index cannot be used now: it is missing, damaged or in use."""


class DamagedIndexError(sqlite3.DatabaseError):
    """The file is of another version, or SQLite returned rows that nothing has written."""


class IndexFile:
    """All methods block and raise `IndexUnavailableError` only."""

    def __init__(
        self,
        folder: Path,
        on_incomplete: Callable[[], None],
        *,
        wait_seconds: float = _WAIT_SECONDS,
    ) -> None:
        """``on_incomplete`` is called in any thread when the index needs a comparison.

        ``wait_seconds``: how long to wait for another process, which may be suspended.
        """
        self.folder = folder
        self.path = folder / "sessions.sqlite"
        self.lock = IndexLock(folder, wait_seconds)
        self._journal = folder / "sessions.sqlite-journal"
        self._copy = folder / "checked.sqlite"
        self._on_incomplete = on_incomplete
        self._wait_seconds = wait_seconds
        self._is_unusable = False  # it lacks a row and could not be removed

    @contextlib.contextmanager
    def shared(self) -> Iterator[sqlite3.Connection]:
        """Open the file for a moment.

        No connection outlives the lock, so none is to a file that was replaced.
        """
        with self._translated_errors(), self.lock.shared(), self.connection() as connection:
            yield connection

    @contextlib.contextmanager
    def exclusive(self, *, waits: bool) -> Iterator[sqlite3.Connection]:
        """Open the file while no session is being created and no other connection exists."""
        lock = self.lock.exclusive if waits else self.lock.exclusive_at_once
        with self._translated_errors(), lock(), self.connection() as connection:
            yield connection

    @contextlib.contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Open the file under a lock that the caller has; raises SQLite's errors, too."""
        for path in (self.path, self._journal):
            if os.path.lexists(path) and not path.is_file():
                raise DamagedIndexError(f"{path} is no file")
        if self._is_unusable or not self.path.exists():
            self._on_incomplete()
            raise IndexUnavailableError(f"{self.path} is missing")
        connection = sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw",
            uri=True,
            timeout=self._wait_seconds,
            isolation_level=None,
        )
        try:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA journal_mode = TRUNCATE")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version != _VERSION:
                raise DamagedIndexError(f"schema of version {version}, not {_VERSION}")
            yield connection
        finally:
            connection.close()

    def discard(self, reason: object) -> None:
        """Remove the file, so that no process uses it any more; demand a comparison."""
        logger.warning("Replacing the index: file=%s reason=%s", self.path, reason)
        try:
            files.remove(self.path)
        except OSError as error:
            self._is_unusable = True
            logger.warning("Failed to remove the index: file=%s error=%s", self.path, error)
        self._on_incomplete()

    def ensure(self) -> None:
        """Create the file if it is missing or damaged."""
        with self._translated_errors():
            self.make_folder()
            try:
                self._check()
            except IndexUnavailableError:
                if self.path.exists() and not self._is_unusable:
                    raise
                self._create()

    def make_folder(self) -> None:
        """Create the folder. Raises ``OSError``."""
        if self.folder.is_symlink() or (self.folder.exists() and not self.folder.is_dir()):
            files.remove(self.folder)
        self.folder.mkdir(exist_ok=True)

    def _check(self) -> None:
        """Let SQLite check a copy, so that the check, which may take seconds, needs no lock."""
        try:
            with self.exclusive(waits=True) as connection:
                connection.execute("SELECT 1 FROM meta")  # rolls an interrupted transaction back
                shutil.copyfile(self.path, self._copy)
            with self._translated_errors():
                with contextlib.closing(sqlite3.connect(self._copy)) as copy:
                    (result,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
                if result != "ok":
                    raise DamagedIndexError(result)
        finally:
            files.remove(self._copy)

    def _create(self) -> None:
        with self.lock.exclusive():
            if self.path.exists() and not self._is_unusable:
                return  # another process has created it
            for path in (self.path, self._journal):
                files.remove(path)
            with contextlib.closing(sqlite3.connect(self.path)) as connection:
                connection.execute("PRAGMA synchronous = OFF")
                connection.executescript(_SCHEMA)
                connection.execute(f"PRAGMA user_version = {_VERSION}")  # last: now it is whole
            self._is_unusable = False

    @contextlib.contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Raise `IndexUnavailableError` in place of other errors; discard a damaged file."""
        try:
            yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", -1) & 0xFF in _PASSING:
                logger.warning("Did without the index: file=%s error=%s", self.path, error)
            else:
                self.discard(error)
            raise IndexUnavailableError(str(error)) from error
        except OSError as error:
            if not isinstance(error, BlockingIOError):
                self._on_incomplete()  # perhaps the folder is missing
            raise IndexUnavailableError(str(error)) from error
