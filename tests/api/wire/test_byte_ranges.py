"""Byte ranges as defined in RFC 9110."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.wire.byte_ranges import ByteRange, is_match, parse_range
from api.wire.errors import RangeNotSatisfiableError


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-99", (0, 100)),
        ("bytes=0-1000", (0, 100)),
        ("bytes=50-", (50, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes = 1 - 2", (1, 3)),
    ],
)
def test_a_single_range_is_parsed(header: str, expected: tuple[int, int]) -> None:
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes=",
        "bytes=-",
        "bytes=5-4",
        "bytes=a-b",
        "frames=0-1",
        "bytes=0-1,5-6",
        "bytes=0-" + "9" * 5000,
    ],
)
def test_anything_but_a_single_range_means_the_whole_file(header: str | None) -> None:
    assert parse_range(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_after_the_end_is_not_satisfiable(header: str) -> None:
    with pytest.raises(RangeNotSatisfiableError):
        parse_range(header, 100)


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_range_is_never_empty_and_never_beyond_the_file(size: int, first: int, last: int) -> None:
    try:
        found = parse_range(f"bytes={first}-{last}", size)
    except RangeNotSatisfiableError:
        assert first >= size
        return
    assert found is None if last < first else 0 <= found.start < found.stop <= size  # type: ignore[union-attr]


def test_content_range_has_an_inclusive_end() -> None:
    assert ByteRange(0, 100).content_range(500) == "bytes 0-99/500"


@pytest.mark.parametrize(
    ("header", "matches"),
    [
        (None, False),
        ('"a"', True),
        ('W/"a"', True),
        ('"b", "a"', True),
        ("*", True),
        ('"b"', False),
    ],
)
def test_an_etag_matches_a_list_that_holds_it(header: str | None, matches: bool) -> None:
    assert is_match(header, '"a"') is matches
