"""The rows of the index: what they say, and how they are written and found.

The functions take a connection of `storage.local.index_file` and raise ``sqlite3.Error``, for rows
that nothing has written `DamagedIndexError`.
"""

import enum
import heapq
import itertools
import operator
import sqlite3
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from storage.filters import Filters, searched_text
from storage.local.index_file import DamagedIndexError
from storage.manifest import Manifest

# Around a key and its value. No metadata contain them, so a search for a pair finds no other one.
_PAIR = "\x1e{}\x1f{}\x1e"


class RowState(enum.IntEnum):
    """What a row says of its session. A row that is OPEN may be of a completed one.

    The texts of a row that is OPEN may be out of date.
    """

    CLEAN = 0  # completed, without warnings
    WARNED = 1  # completed, with warnings
    OPEN = 2


class Row(NamedTuple):
    """What the index knows of a session.

    ``text`` is what a search looks at, ``metadata`` all pairs, ``expires_at`` in Unix seconds.
    """

    session_id: UUID
    user_id: str | None
    state: RowState
    text: str = ""
    metadata: str = ""
    expires_at: int | None = None


class Counts(NamedTuple):
    """How many sessions match: ``sure`` of those that are not OPEN, and perhaps those in ``open``.

    ``open`` is None if there are too many.
    """

    sure: int
    open: list[UUID] | None


def row_of(manifest: Manifest) -> Row:
    """Return the row of the session with this manifest."""
    state = RowState.WARNED if manifest.has_warnings else RowState.CLEAN
    if manifest.status == "active":
        state = RowState.OPEN
    pairs = "".join(_PAIR.format(*pair) for pair in manifest.metadata.items())
    return Row(
        UUID(manifest.session_id),
        manifest.user_id,
        state,
        _utf8(searched_text(manifest)),
        _utf8(pairs),
        None if manifest.expires_at is None else int(manifest.expires_at.timestamp()),
    )


def states_of(filters: Filters) -> list[RowState]:
    """Return the states that rows of matching sessions may have."""
    if filters.status == "active":
        return [RowState.OPEN]
    if filters.has_warnings is None:
        return list(RowState)
    return [RowState.WARNED if filters.has_warnings else RowState.CLEAN, RowState.OPEN]


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
        "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?)",
        (
            (
                each.session_id.bytes,
                None if each.user_id is None else _utf8(each.user_id),
                each.state,
                each.text,
                each.metadata,
                each.expires_at,
            )
            for each in rows
        ),
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
    connection: sqlite3.Connection, filters: Filters, cursor: UUID | None, limit: int
) -> list[tuple[UUID, RowState]]:
    """Return up to ``limit`` sessions that may match, in the order of the list, after ``cursor``.

    Without a search, an index has the rows of each state in order. A search looks at all rows.
    """
    if _is_search(filters):
        return _page(connection, filters, states_of(filters), cursor, limit)
    found = [_page(connection, filters, [each], cursor, limit) for each in states_of(filters)]
    merged = heapq.merge(*found, reverse=not filters.is_oldest_first)
    return list(itertools.islice(merged, limit))


def count(connection: sqlite3.Connection, filters: Filters, max_open: int) -> Counts:
    """Count the sessions that match; name at most ``max_open`` of which that is not known."""
    sure: list[RowState] = [each for each in states_of(filters) if each != RowState.OPEN]
    total = 0
    for states in [sure] if _is_search(filters) else [[each] for each in sure]:
        if states:
            conditions, values = _conditions(filters, states, None)
            # All values are parameters.
            statement = f"SELECT count(*) FROM sessions WHERE {conditions}"  # noqa: S608
            (found,) = connection.execute(statement, values).fetchone()
            total += found
    unsure = _page(connection, filters, [RowState.OPEN], None, max_open + 1)
    return Counts(total, None if len(unsure) > max_open else [each for each, _ in unsure])


def after(connection: sqlite3.Connection, session_id: UUID | None, limit: int) -> list[UUID]:
    """Return up to ``limit`` sessions that have rows, oldest first, after ``session_id``."""
    statement = "SELECT id FROM sessions WHERE id > ? ORDER BY id LIMIT ?"
    found = connection.execute(statement, (session_id.bytes if session_id else b"", limit))
    return [_session_id(each) for (each,) in found.fetchall()]


def due(connection: sqlite3.Connection, now: datetime) -> list[UUID]:
    """Return the sessions that may have expired: by their rows, or because these are OPEN."""
    of = "SELECT id FROM sessions WHERE"
    statement = f"{of} expires_at <= ? UNION {of} state = ?"
    found = connection.execute(statement, (int(now.timestamp()), RowState.OPEN)).fetchall()
    return [_session_id(each) for (each,) in found]


def row(connection: sqlite3.Connection, session_id: UUID) -> Row | None:
    """Return the row of the session, None if it has none."""
    statement = "SELECT user_id, state, text, metadata, expires_at FROM sessions WHERE id = ?"
    found = connection.execute(statement, (session_id.bytes,)).fetchone()
    if found is None:
        return None
    user_id, state, text, metadata, expires_at = found
    return Row(session_id, user_id, _state(state), text, metadata, expires_at)


def statement(filters: Filters, conditions: str) -> str:
    """Return the statement that reads a page."""
    order = "ASC" if filters.is_oldest_first else "DESC"
    return f"SELECT id, state FROM sessions WHERE {conditions} ORDER BY id {order} LIMIT ?"  # noqa: S608


def _page(
    connection: sqlite3.Connection,
    filters: Filters,
    states: list[RowState],
    cursor: UUID | None,
    limit: int,
) -> list[tuple[UUID, RowState]]:
    conditions, values = _conditions(filters, states, cursor)
    found = connection.execute(statement(filters, conditions), (*values, limit)).fetchall()
    rows = [(_session_id(session_id), _state(state)) for session_id, state in found]
    precedes = operator.lt if filters.is_oldest_first else operator.gt
    if not all(precedes(a, b) for (a, _), (b, _) in itertools.pairwise(rows)):
        raise DamagedIndexError("rows are not in order")
    return rows


def _conditions(
    filters: Filters, states: list[RowState], cursor: UUID | None
) -> tuple[str, list[object]]:
    """Return the conditions that a row must meet, and their values."""
    first, end = filters.ids_after(cursor)
    found: list[tuple[str, list[object]]] = [
        # The plus keeps SQLite from using an index of states for several of them.
        ("state = ?", [*states])
        if len(states) == 1
        else (f"+state IN ({', '.join('?' * len(states))})", [*states]),
        ("id >= ? AND id < ?", [first.bytes, end.bytes]),
    ]
    if filters.user_id is not None:
        found.append(("user_id = ?", [_utf8(filters.user_id)]))
    if filters.text is not None:
        lowest, highest = filters.id_range or (UUID(int=1), UUID(int=0))
        condition = "(state = ? OR instr(text, ?) > 0 OR id BETWEEN ? AND ?)"
        text = _utf8(filters.folded_text)
        found.append((condition, [RowState.OPEN, text, lowest.bytes, highest.bytes]))
    for pair in filters.metadata.items():
        condition = "(state = ? OR instr(metadata, ?) > 0)"
        found.append((condition, [RowState.OPEN, _utf8(_PAIR.format(*pair))]))
    conditions = " AND ".join(condition for condition, _ in found)
    return conditions, [value for _, values in found for value in values]


def _is_search(filters: Filters) -> bool:
    return filters.text is not None or bool(filters.metadata)


def _utf8(text: str) -> str:
    """Return the text as SQLite takes it: without lone surrogates, which are no UTF-8."""
    return text.encode(errors="replace").decode()


def _session_id(value: object) -> UUID:
    if not isinstance(value, bytes) or len(value) != 16:
        raise DamagedIndexError(f"a row has the id {value!r:.100}")
    return UUID(bytes=value)


def _state(value: object) -> RowState:
    if not isinstance(value, int) or not 0 <= value < len(RowState):
        raise DamagedIndexError(f"a row has the state {value!r:.100}")
    return RowState(value)
