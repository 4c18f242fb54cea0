"""The filters of a list."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from storage.checkpoint import Checkpoint
from storage.filters import Filters, searched_text
from tests.storage.conftest import new_manifest
from tests.storage.test_conformance import LATER

SESSION = UUID("019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b")
CREATED = datetime.fromtimestamp((SESSION.int >> 80) / 1000, UTC)
MANIFEST = new_manifest(
    session_id=str(SESSION),
    user_id="Zoë",
    title="Straße 7",
    metadata={"project": "Radio", "room": "12"},
    created_at=CREATED,
)


@pytest.mark.parametrize(
    "filters",
    [
        Filters(),
        Filters(status="active"),
        Filters(user_id="Zoë"),
        Filters(has_warnings=False),
        Filters(created_from=CREATED),
        Filters(created_to=CREATED + timedelta(milliseconds=1)),
        Filters(text="STRASSE"),
        Filters(text="radio"),
        Filters(text="ZOË"),
        Filters(text="019AA1b2-7c"),
        Filters(text=str(SESSION)),
        Filters(metadata={"room": "12"}),
        Filters(metadata={"room": "12", "project": "Radio"}, text="7"),
    ],
)
def test_a_session_that_has_what_is_wanted_matches(filters: Filters) -> None:
    assert filters.matches(MANIFEST)


@pytest.mark.parametrize(
    "filters",
    [
        Filters(status="completed"),
        Filters(user_id="zoë"),
        Filters(has_warnings=True),
        Filters(created_from=CREATED + timedelta(milliseconds=1)),
        Filters(created_to=CREATED),
        Filters(text="project"),
        Filters(text="7c3d"),
        Filters(text="7 Radio"),
        Filters(metadata={"room": "1"}),
        Filters(metadata={"project": "radio"}),
        Filters(metadata={"other": "12"}),
        Filters(text="radio", metadata={"room": "13"}),
    ],
)
def test_a_session_that_lacks_something_does_not_match(filters: Filters) -> None:
    assert not filters.matches(MANIFEST)


def test_warnings_and_status_are_those_of_the_manifest() -> None:
    warned = MANIFEST.completed(Checkpoint().warned("a", "b", frame=0), LATER)
    assert Filters(has_warnings=True, status="completed").matches(warned)
    assert not Filters(has_warnings=False).matches(warned)


def test_text_across_line_breaks_is_found_as_with_spaces() -> None:
    manifest = new_manifest(metadata={"note": "first\nsecond"})
    assert searched_text(manifest) == "first second"
    assert Filters(text="first second").matches(manifest)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("019", ("01900000-0000-0000-0000-000000000000", "019fffff-ffff-ffff-ffff-ffffffffffff")),
        ("019AA1B2-7", ("019aa1b2-7000-0000-0000-000000000000",
                        "019aa1b2-7fff-ffff-ffff-ffffffffffff")),
        ("019aa1b2-", ("019aa1b2-0000-0000-0000-000000000000",
                       "019aa1b2-ffff-ffff-ffff-ffffffffffff")),
        (str(SESSION), (str(SESSION), str(SESSION))),
        (f"{SESSION}0", None),
        ("019aa1b27", None),
        ("-", None),
        ("radio", None),
    ],
)  # fmt: skip
def test_the_ids_that_begin_with_a_text_are_a_range(
    text: str, found: tuple[str, str] | None
) -> None:
    assert Filters(text=text).id_range == (found and (UUID(found[0]), UUID(found[1])))


def test_a_cursor_limits_the_ids_to_those_after_it_in_either_order() -> None:
    later = UUID(int=SESSION.int + 1)
    newest = Filters(created_from=CREATED)
    assert newest.ids_after(None) == (newest.first_id, UUID(int=2**128 - 1))
    assert newest.ids_after(SESSION) == (newest.first_id, SESSION)
    oldest = Filters(created_from=CREATED, is_oldest_first=True)
    assert oldest.ids_after(SESSION) == (later, UUID(int=2**128 - 1))


def test_times_beyond_those_of_ids_are_no_error() -> None:
    for year in (1, 1969, 9999):
        at = datetime(year, 1, 1, tzinfo=UTC)
        filters = Filters(created_from=at, created_to=at)
        assert filters.first_id == filters.end_id
