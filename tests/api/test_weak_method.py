"""Callbacks that do not keep their object alive."""

import pytest

from api.weak_method import weak_method


class Counter:
    def __init__(self) -> None:
        self.count = 0

    def add(self, number: int, *, times: int = 1) -> int:
        self.count += number * times
        return self.count


def test_a_weak_method_calls_the_method_of_its_object() -> None:
    counter = Counter()
    add = weak_method(counter.add)
    assert add(2) == 2
    assert add(3, times=2) == counter.count == 8


def test_a_weak_method_raises_once_its_object_is_gone() -> None:
    add = weak_method(Counter().add)
    with pytest.raises(ReferenceError):
        add(1)
