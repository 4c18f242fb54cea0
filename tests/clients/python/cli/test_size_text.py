"""A number of bytes as a short text."""

import pytest

from sercuescribe_client.cli.size_text import size_text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_949, "99.9 kB"),
        (99_950, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (345_600_080, "346 MB"),
        (7.6e9, "7.6 GB"),
        (5e15, "5000 TB"),
    ],
)
def test_a_size_has_two_or_three_digits_and_a_unit(size_bytes: float, text: str) -> None:
    assert size_text(int(size_bytes)) == text
