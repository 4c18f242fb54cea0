"""Cursors, which callers pass back and cannot read."""

from uuid import UUID

import pytest

from api.access.cursors import Cursors
from api.access.signing import SigningKeys
from api.wire.errors import InvalidParameterError

SESSION = UUID("019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b")
OLD, NEW = b"o" * 32, b"n" * 32


def cursors(*secrets: bytes) -> Cursors:
    return Cursors(SigningKeys(lambda: secrets))


def test_a_cursor_is_opened_with_the_secret_that_sealed_it_also_a_previous_one() -> None:
    sealed = cursors(OLD).seal(SESSION)
    assert cursors(OLD).open(sealed) == cursors(NEW, OLD).open(sealed) == SESSION
    with pytest.raises(InvalidParameterError):
        cursors(NEW).open(sealed)


def test_a_cursor_shows_nothing_of_its_position() -> None:
    sealed = {cursors(OLD).seal(SESSION) for _ in range(20)}
    assert len(sealed) == 20
    assert not any(str(SESSION)[:8] in each or SESSION.hex[:8] in each for each in sealed)


@pytest.mark.parametrize("cursor", ["", "x", "junk", str(SESSION), "é", "A" * 59, "=" * 9])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidParameterError, match="Invalid cursor"):
        cursors(OLD).open(cursor)


def test_an_altered_cursor_is_refused() -> None:
    sealed = cursors(OLD).seal(SESSION)
    for index in range(0, len(sealed) - 1, 7):
        altered = sealed[:index] + ("A" if sealed[index] != "A" else "B") + sealed[index + 1 :]
        with pytest.raises(InvalidParameterError):
            cursors(OLD).open(altered)
