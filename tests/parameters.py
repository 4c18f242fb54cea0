"""Parameters of tests that take long."""

from collections.abc import Iterable
from typing import Any

import pytest


def long_except_first(values: Iterable[Any], count: int = 1) -> list[Any]:
    """Return the values; `make test` runs the first ``count``, `make test-long` the others."""
    values = list(values)
    return values[:count] + [_long(value) for value in values[count:]]


def _long(value: Any) -> Any:
    arguments = value if isinstance(value, tuple) else (value,)
    return pytest.param(*arguments, marks=pytest.mark.long)
