"""The rows of the index: what they say of a session, and how a page is found."""

import itertools
import random
import sqlite3
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
import uuid_utils.compat

from storage.checkpoint import Checkpoint
from storage.filters import Filters
from storage.local import index_rows
from storage.local.index_file import DamagedIndexError
from storage.local.index_rows import Row, RowState, row_of
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
        filters = Filters(status=status, user_id=user_id, has_warnings=has_warnings)  # type: ignore[arg-type]
        for each in (filters, msgspec.structs.replace(filters, is_oldest_first=True)):
            check_pages(connection, each, manifests)


def check_pages(
    connection: sqlite3.Connection, filters: Filters, manifests: dict[UUID, list[Manifest]]
) -> None:
    """Check that pages have the sessions that may match, and that the count has them all."""
    found: list[UUID] = []
    while page := index_rows.page(connection, filters, found[-1] if found else None, 7):
        found += [session_id for session_id, _ in page]
    order = IDS if filters.is_oldest_first else IDS[::-1]
    may_match = [each for each in order if any(map(filters.matches, manifests[each]))]
    assert found == may_match, filters
    counts = index_rows.count(connection, filters, len(IDS))
    assert counts.open is not None
    assert counts.sure + len(counts.open) == len(may_match)


TITLES = ["Board meeting", "board", "Straße", None]
PAIRS = [{}, {"room": "1"}, {"room": "12"}, {"room": "1", "of": "Board"}]


@pytest.mark.parametrize(
    "searched",
    [
        {"text": "board"},
        {"text": "STRASSE"},
        {"text": "nothing"},
        {"text": str(IDS[30])},
        {"text": str(IDS[30])[:13]},
        {"metadata": {"room": "1"}},
        {"metadata": {"room": "1", "of": "Board"}},
        {"metadata": {"of": "board"}},
        {"text": "board", "metadata": {"room": "12"}, "user_id": "a"},
        {"text": "board", "status": "completed", "has_warnings": True},
        {"text": "board", "status": "active"},
    ],
    ids=["part", "folded", "nothing", "id", "prefix", "pair", "pairs", "case", "user", "warned",
         "active"],
)  # fmt: skip
def test_a_search_finds_every_session_that_may_match_in_order(
    connection: sqlite3.Connection, searched: dict[str, Any]
) -> None:
    choose = random.Random(7)
    manifests = {}
    for each in IDS:
        manifest = new_manifest(
            session_id=str(each),
            user_id=choose.choice(["a", "b", None]),
            title=choose.choice(TITLES),
            metadata=choose.choice(PAIRS),
        )
        warnings = choose.choice([Checkpoint(), Checkpoint().warned("a", "b", frame=0)])
        row = row_of(manifest.completed(warnings, LATER))
        manifests[each] = [manifest.completed(warnings, LATER)]
        if choose.random() < 0.3:  # of an open row nothing is sure but the user
            row = row._replace(state=RowState.OPEN, text="", metadata="")
            manifests[each] = every_manifest(row.user_id, each, searched)
        index_rows.put(connection, [row])
    for is_oldest_first in (False, True):
        filters = Filters(**searched, is_oldest_first=is_oldest_first)
        check_pages(connection, filters, manifests)


def every_manifest(
    user_id: str | None, session_id: UUID, searched: dict[str, Any]
) -> list[Manifest]:
    """Return what the manifest may say of a session that only its user is known of."""
    found = new_manifest(
        session_id=str(session_id),
        user_id=user_id,
        title=searched.get("text"),
        metadata=searched.get("metadata", {}),
    )
    warned = Checkpoint().warned("a", "b", frame=0)
    return [found, found.completed(Checkpoint(), LATER), found.completed(warned, LATER)]


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
    assert row_of(active) == Row(session_id, "Zoë", RowState.OPEN, "zoë")
    assert row_of(active.completed(Checkpoint(), LATER)).state is RowState.CLEAN
    assert row_of(active.completed(warning, LATER)).state is RowState.WARNED


@pytest.mark.parametrize("user_id", [None, "a"], ids=["state", "user"])
@pytest.mark.parametrize("is_oldest_first", [False, True], ids=["newest", "oldest"])
def test_a_page_is_read_from_an_index_and_nothing_is_sorted(
    connection: sqlite3.Connection, user_id: str | None, is_oldest_first: bool
) -> None:
    filters = Filters(user_id=user_id, is_oldest_first=is_oldest_first)
    conditions, values = index_rows._conditions(filters, [RowState.CLEAN], None)
    statement = index_rows.statement(filters, conditions)
    plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", (*values, 10)).fetchall()
    (step,) = [detail for *_, detail in plan]
    assert step.startswith("SEARCH sessions USING COVERING INDEX")


@pytest.mark.parametrize("filters", [Filters(text="x"), Filters(metadata={"k": "v"})])
def test_a_search_reads_the_rows_in_order_and_nothing_is_sorted(
    connection: sqlite3.Connection, filters: Filters
) -> None:
    conditions, values = index_rows._conditions(filters, [*RowState], None)
    statement = index_rows.statement(filters, conditions)
    plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", (*values, 10)).fetchall()
    (step,) = [detail for *_, detail in plan]
    assert step.startswith("SEARCH sessions USING PRIMARY KEY")


@pytest.mark.parametrize(
    "filters",
    [
        Filters(),
        Filters(status="active"),
        Filters(has_warnings=True),
        Filters(user_id="rare"),
        Filters(user_id="nobody", status="completed", has_warnings=False),
    ],
    ids=["all", "active", "warned", "rare", "nobody"],
)
def test_a_page_takes_the_same_steps_among_few_rows_and_many(
    connection: sqlite3.Connection, filters: Filters
) -> None:
    steps = []
    for count in (1000, 20_000):
        ids = [UUID(int=(count + each) << 64) for each in range(count)]
        index_rows.put(connection, [Row(each, "often", RowState.CLEAN) for each in ids])
        index_rows.put(connection, [Row(ids[0], "rare", RowState.OPEN)])
        calls: list[None] = []
        connection.set_progress_handler(lambda calls=calls: calls.append(None), 1)  # type: ignore[misc]
        index_rows.page(connection, filters, None, 10)
        connection.set_progress_handler(None, 0)
        steps.append(len(calls))
    assert steps[1] <= steps[0] + 20


@pytest.mark.parametrize(
    "values",
    [(b"short" * 3, "a", 2), (b"long" * 5, "a", 2), (IDS[0].bytes, "a", 9)],
    ids=["short", "long", "state"],
)
def test_a_row_that_nothing_has_written_is_damage(
    connection: sqlite3.Connection, values: tuple[object, ...]
) -> None:
    connection.execute("INSERT INTO sessions VALUES (?, ?, ?, '', '', NULL)", values)
    with pytest.raises(DamagedIndexError):
        index_rows.page(connection, Filters(), None, 10)
        index_rows.row(connection, IDS[0])


def test_an_index_that_does_not_say_whether_it_is_complete_is_damaged(
    connection: sqlite3.Connection,
) -> None:
    assert not index_rows.is_complete(connection)
    for change in ("UPDATE meta SET is_complete = 7", "DELETE FROM meta"):
        connection.execute(change)
        with pytest.raises(DamagedIndexError):
            index_rows.is_complete(connection)
