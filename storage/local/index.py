"""The index of the sessions in a folder, with which a page of the list costs a page.

It is a cache that can be rebuilt from the manifests. It has a row for every session with a
manifest, and perhaps stale ones: a row is written before the manifest and removed after it. The
readers of a page correct the rows of the page. If a row cannot be written, or if the file is
missing, damaged or of another release, it is replaced, and lists do without it until
`storage.local.comparison` has completed the new one.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from uuid import UUID, uuid4

from storage.filters import Filters
from storage.local import index_rows
from storage.local.index_file import IndexFile, IndexUnavailableError
from storage.local.index_rows import Counts, Row, RowState


class SessionIndex:
    """The index, for what serves clients. All methods block, and do nothing if there is none."""

    def __init__(self, file: IndexFile) -> None:
        self._file = file

    @contextlib.contextmanager
    def adding(self, row: Row) -> Iterator[None]:
        """Write the row of a session that is being created; its manifest is written within."""
        with contextlib.ExitStack() as stack:
            lock = -1
            try:
                self._file.make_folder()
                lock = stack.enter_context(self._file.lock.shared())
                with self._file.connection() as connection:
                    index_rows.put(connection, [row])
            except IndexUnavailableError:
                pass  # there is none
            except (OSError, sqlite3.Error) as error:
                # The session must not be missing in lists, nor fail because of a cache.
                self._file.discard(error)
            yield
            if not self._file.lock.is_in_place(lock):
                self._file.discard("its lock was removed")

    def put(self, rows: Iterable[Row]) -> None:
        """Write or replace rows, whose manifests are written already."""
        with contextlib.suppress(IndexUnavailableError), self._file.shared() as connection:
            index_rows.put(connection, rows)

    def remove(self, session_ids: Iterable[UUID]) -> None:
        """Remove the rows of sessions that have been deleted."""
        with contextlib.suppress(IndexUnavailableError), self._file.shared() as connection:
            index_rows.remove(connection, session_ids)

    def remove_stale(
        self, session_ids: Iterable[UUID], has_manifest: Callable[[UUID], bool]
    ) -> None:
        """Remove the rows of sessions without a manifest, unless sessions are being created."""
        with (
            contextlib.suppress(IndexUnavailableError),
            self._file.exclusive(waits=False) as connection,
        ):
            index_rows.remove(connection, [each for each in session_ids if not has_manifest(each)])

    def page(
        self, filters: Filters, cursor: UUID | None, limit: int
    ) -> list[tuple[UUID, RowState]] | None:
        """Return up to ``limit`` sessions that may match, in order, after ``cursor``.

        None if the index cannot be used now.
        """
        with contextlib.suppress(IndexUnavailableError), self._file.shared() as connection:
            if index_rows.is_complete(connection):
                return index_rows.page(connection, filters, cursor, limit)
        return None

    def count(self, filters: Filters, max_open: int) -> Counts | None:
        """Count the sessions that match; None if the index cannot be used now."""
        with contextlib.suppress(IndexUnavailableError), self._file.shared() as connection:
            if index_rows.is_complete(connection):
                return index_rows.count(connection, filters, max_open)
        return None

    def due(self, now: datetime) -> list[UUID] | None:
        """Return the sessions that may have expired; None if the index cannot be used now."""
        with contextlib.suppress(IndexUnavailableError), self._file.shared() as connection:
            if index_rows.is_complete(connection):
                return index_rows.due(connection, now)
        return None

    def is_complete(self) -> bool:
        """Return whether lists can use the index."""
        with contextlib.suppress(IndexUnavailableError), self._file.shared() as connection:
            return index_rows.is_complete(connection)
        return False

    def distrust(self) -> None:
        """Do without the index until a comparison completes it."""
        with contextlib.suppress(IndexUnavailableError), self._file.shared() as connection:
            connection.execute("UPDATE meta SET generation = '', is_complete = 0")


class IndexUpdate:
    """The index, for the comparison. All methods block and raise `IndexUnavailableError`."""

    def __init__(self, file: IndexFile) -> None:
        """Create the file if it is missing or damaged.

        Each session that is created from now on gets its row without the comparison.
        """
        self._file = file
        self._generation = str(uuid4())
        file.ensure()
        with file.shared() as connection:
            connection.execute("UPDATE meta SET generation = ?", (self._generation,))

    def finish(self) -> bool:
        """Let lists use the index. Return False if it needs one more comparison."""
        statement = "UPDATE meta SET is_complete = 1 WHERE generation = ?"
        with self._file.shared() as connection:
            return connection.execute(statement, (self._generation,)).rowcount == 1

    def rows(self, session_ids: Iterable[UUID]) -> dict[UUID, Row]:
        """Return the rows of the sessions that have one."""
        with self._file.shared() as connection:
            found = [index_rows.row(connection, each) for each in session_ids]
        return {row.session_id: row for row in found if row is not None}

    def session_ids(self, after: UUID | None, limit: int) -> list[UUID]:
        """Return the sessions that have rows, oldest first, from after ``after`` on."""
        with self._file.shared() as connection:
            return index_rows.after(connection, after, limit)

    def put(self, rows: Iterable[Row]) -> None:
        """Write or replace rows in one transaction."""
        with self._file.shared() as connection:
            index_rows.put(connection, rows)

    def remove_stale(
        self, session_ids: Iterable[UUID], has_manifest: Callable[[UUID], bool]
    ) -> int:
        """Remove the rows of sessions without a manifest; return their number."""
        with self._file.exclusive(waits=True) as connection:
            stale = [each for each in session_ids if not has_manifest(each)]
            index_rows.remove(connection, stale)
            return len(stale)
