"""What is left alone is named in the log once."""

import pytest

from storage.skipped import SkippedObjects


def test_a_name_is_logged_once_however_often_it_is_met(caplog: pytest.LogCaptureFixture) -> None:
    skipped = SkippedObjects()
    for _ in range(3):
        skipped.report("one", "not readable")
        skipped.report("two", ValueError("damaged"))
    assert caplog.messages == [
        "one: left alone: reason=not readable",
        "two: left alone: reason=damaged",
    ]


def test_names_that_are_not_the_services_are_reported_and_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def number(name: str) -> int | None:
        return int(name) if name.isdigit() else None

    assert SkippedObjects().parsed(["1", "notes.txt", "0", "2"], number) == [1, 0, 2]
    assert caplog.messages == ["notes.txt: left alone: reason=not a name of this service"]


def test_the_names_that_are_remembered_do_not_grow_for_ever() -> None:
    skipped = SkippedObjects()
    for number in range(3000):
        skipped.report(str(number), "unknown")
    assert len(skipped._names) <= 1000
