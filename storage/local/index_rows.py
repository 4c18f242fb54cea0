"""The rows of the index: what they say, and how they are written and found.

The functions take a connection of `storage.local.index_file` and raise ``sqlite3.Error``, for rows
that nothing has written `DamagedIndexError`.
"""

import enum
import heapq
import itertools
import sqlite3
from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

import msgspec

from storage.local.index_file import DamagedIndexError
from storage.manifest import Manifest, Status

PAGE = "SELECT id FROM sessions WHERE state = ? AND id < ? ORDER BY id DESC LIMIT ?"
USER_PAGE = (
    "SELECT id FROM sessions WHERE user_id = ? AND state = ? AND id < ? ORDER BY id DESC LIMIT ?"
)
_AFTER_ALL_IDS = b"\xff" * 17


class RowState(enum.IntEnum):
    """What a row says of its session. A row that is OPEN may be of a completed one."""

    CLEAN = 0  # completed, without warnings
    WARNED = 1  # completed, with warnings
    OPEN = 2


class Row(NamedTuple):
    """What the index knows of a session."""

    session_id: UUID
    user_id: str | None
    state: RowState


def row_of(manifest: Manifest) -> Row:
    """Return the row of the session with this manifest."""
    state = RowState.WARNED if manifest.has_warnings else RowState.CLEAN
    if manifest.status == "active":
        state = RowState.OPEN
    return Row(UUID(manifest.session_id), manifest.user_id, state)


class Wanted(msgspec.Struct, frozen=True):
    """The filters of a list; None: any."""

    status: Status | None = None
    user_id: str | None = None
    has_warnings: bool | None = None

    @property
    def states(self) -> list[RowState]:
        """Return the states that rows of matching sessions may have."""
        if self.status == "active":
            return [RowState.OPEN]
        if self.has_warnings is None:
            return list(RowState)
        return [RowState.WARNED if self.has_warnings else RowState.CLEAN, RowState.OPEN]


def is_complete(connection: sqlite3.Connection) -> bool:
    """Return whether every session with a manifest has a row."""
    found = connection.execute("SELECT is_complete FROM meta").fetchall()
    if found not in ([(0,)], [(1,)]):
        raise DamagedIndexError(f"meta is {found!r:.100}")
    return bool(found[0][0])


def put(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Write or replace rows in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(
        "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)",
        ((each.session_id.bytes, _text(each.user_id), each.state) for each in rows),
    )
    connection.execute("COMMIT")


def remove(connection: sqlite3.Connection, session_ids: Iterable[UUID]) -> None:
    """Remove the rows of the sessions in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(
        "DELETE FROM sessions WHERE id = ?", ((each.bytes,) for each in session_ids)
    )
    connection.execute("COMMIT")


def page(
    connection: sqlite3.Connection, wanted: Wanted, before: UUID | None, limit: int
) -> list[tuple[UUID, RowState]]:
    """Return up to ``limit`` sessions that may match, newest first, older than ``before``."""
    found = [_page(connection, wanted.user_id, state, before, limit) for state in wanted.states]
    return list(itertools.islice(heapq.merge(*found, reverse=True), limit))


def after(connection: sqlite3.Connection, session_id: UUID | None, limit: int) -> list[UUID]:
    """Return up to ``limit`` sessions that have rows, oldest first, after ``session_id``."""
    statement = "SELECT id FROM sessions WHERE id > ? ORDER BY id LIMIT ?"
    found = connection.execute(statement, (session_id.bytes if session_id else b"", limit))
    return [_session_id(each) for (each,) in found.fetchall()]


def row(connection: sqlite3.Connection, session_id: UUID) -> Row | None:
    """Return the row of the session, None if it has none."""
    statement = "SELECT user_id, state FROM sessions WHERE id = ?"
    found = connection.execute(statement, (session_id.bytes,)).fetchone()
    return None if found is None else Row(session_id, found[0], _state(found[1]))


def _page(
    connection: sqlite3.Connection,
    user_id: str | None,
    state: RowState,
    before: UUID | None,
    limit: int,
) -> list[tuple[UUID, RowState]]:
    before_id = _AFTER_ALL_IDS if before is None else before.bytes
    if user_id is None:
        found = connection.execute(PAGE, (state, before_id, limit)).fetchall()
    else:
        values = (_text(user_id), state, before_id, limit)
        found = connection.execute(USER_PAGE, values).fetchall()
    ids = [_session_id(each) for (each,) in found]
    if any(a <= b for a, b in itertools.pairwise([before_id, *(each.bytes for each in ids)])):
        raise DamagedIndexError("rows are not in order")
    return [(each, state) for each in ids]


def _text(user_id: str | None) -> str | None:
    """Return the name as SQLite takes it: without lone surrogates, which are no UTF-8."""
    return None if user_id is None else user_id.encode(errors="replace").decode()


def _session_id(value: object) -> UUID:
    if not isinstance(value, bytes) or len(value) != 16:
        raise DamagedIndexError(f"a row has the id {value!r:.100}")
    return UUID(bytes=value)


def _state(value: object) -> RowState:
    if not isinstance(value, int) or not 0 <= value < len(RowState):
        raise DamagedIndexError(f"a row has the state {value!r:.100}")
    return RowState(value)
