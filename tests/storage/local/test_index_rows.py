"""The rows of the index: what they say of a session, and how a page is found."""

import itertools
import random
import sqlite3
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import uuid_utils.compat

from storage.checkpoint import Checkpoint
from storage.local import index_rows
from storage.local.index_file import DamagedIndexError
from storage.local.index_rows import PAGE, USER_PAGE, Row, RowState, Wanted, row_of
from storage.manifest import Manifest
from tests.storage.conftest import new_manifest
from tests.storage.local.folders import index_file
from tests.storage.test_conformance import LATER

IDS = [UUID(str(uuid_utils.compat.uuid7())) for _ in range(60)]


@pytest.fixture
def connection(tmp_path: Path) -> Any:
    file = index_file(tmp_path)
    file.ensure()
    with file.shared() as connection:
        yield connection


def test_every_filter_finds_every_session_that_may_match_in_order(
    connection: sqlite3.Connection,
) -> None:
    choose = random.Random(7)
    rows = [Row(each, choose.choice(["a", "b", None]), choose.choice([*RowState])) for each in IDS]
    index_rows.put(connection, choose.sample(rows, len(rows)))
    manifests = {row.session_id: possible_manifests(row) for row in rows}
    for status, user_id, has_warnings in itertools.product(
        (None, "active", "completed"), (None, "a", "nobody"), (None, True, False)
    ):
        wanted = Wanted(status, user_id, has_warnings)  # type: ignore[arg-type]
        found = []
        before = None
        while page := index_rows.page(connection, wanted, before, 7):
            found += [session_id for session_id, _ in page]
            before = found[-1]
        may_match = [
            each
            for each in reversed(IDS)
            if any(
                manifest.matches(status=status, user_id=user_id, has_warnings=has_warnings)  # type: ignore[arg-type]
                for manifest in manifests[each]
            )
        ]
        assert found == may_match, wanted


def possible_manifests(row: Row) -> list[Manifest]:
    """Return what the manifest and the checkpoint of a session with this row may say."""
    active = new_manifest(session_id=str(row.session_id), user_id=row.user_id)
    warning = Checkpoint().warned("decode_failed", "no frames", frame=0)
    clean, warned = active.completed(Checkpoint(), LATER), active.completed(warning, LATER)
    if row.state is RowState.OPEN:
        return [active, active.advanced_to(warning), clean, warned]
    return [clean if row.state is RowState.CLEAN else warned]


def test_a_row_says_what_a_manifest_says() -> None:
    active = new_manifest(user_id="Zoë")
    session_id, warning = UUID(active.session_id), Checkpoint().warned("a", "b", frame=0)
    assert row_of(active) == Row(session_id, "Zoë", RowState.OPEN)
    assert row_of(active.completed(Checkpoint(), LATER)).state is RowState.CLEAN
    assert row_of(active.completed(warning, LATER)).state is RowState.WARNED


@pytest.mark.parametrize(
    ("statement", "values"), [(PAGE, (1,)), (USER_PAGE, ("a", 1))], ids=["state", "user"]
)
def test_a_page_is_read_from_an_index_and_nothing_is_sorted(
    connection: sqlite3.Connection, statement: str, values: tuple[object, ...]
) -> None:
    plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", (*values, b"", 10)).fetchall()
    (step,) = [detail for *_, detail in plan]
    assert step.startswith("SEARCH sessions USING COVERING INDEX")


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(),
        Wanted(status="active"),
        Wanted(has_warnings=True),
        Wanted(user_id="rare"),
        Wanted(user_id="nobody", status="completed", has_warnings=False),
    ],
    ids=["all", "active", "warned", "rare", "nobody"],
)
def test_a_page_takes_the_same_steps_among_few_rows_and_many(
    connection: sqlite3.Connection, wanted: Wanted
) -> None:
    steps = []
    for count in (1000, 20_000):
        ids = [UUID(int=(count + each) << 64) for each in range(count)]
        index_rows.put(connection, [Row(each, "often", RowState.CLEAN) for each in ids])
        index_rows.put(connection, [Row(ids[0], "rare", RowState.OPEN)])
        calls: list[None] = []
        connection.set_progress_handler(lambda calls=calls: calls.append(None), 1)  # type: ignore[misc]
        index_rows.page(connection, wanted, None, 10)
        connection.set_progress_handler(None, 0)
        steps.append(len(calls))
    assert steps[1] <= steps[0] + 20


@pytest.mark.parametrize(
    "values",
    [(b"short", "a", 2), ("text", "a", 2), (7, "a", 2), (IDS[0].bytes, "a", 9)],
    ids=["short", "text", "number", "state"],
)
def test_a_row_that_nothing_has_written_is_damage(
    connection: sqlite3.Connection, values: tuple[object, ...]
) -> None:
    connection.execute("INSERT INTO sessions VALUES (?, ?, ?)", values)
    with pytest.raises(DamagedIndexError):
        index_rows.page(connection, Wanted(), None, 10)
        index_rows.row(connection, IDS[0])


def test_an_index_that_does_not_say_whether_it_is_complete_is_damaged(
    connection: sqlite3.Connection,
) -> None:
    assert not index_rows.is_complete(connection)
    for change in ("UPDATE meta SET is_complete = 7", "DELETE FROM meta"):
        connection.execute(change)
        with pytest.raises(DamagedIndexError):
            index_rows.is_complete(connection)
