"""One worker leads."""

from pathlib import Path

from storage.local.leadership import Leadership
from storage.worker import Worker


def test_one_of_the_workers_leads_and_another_one_after_it(tmp_path: Path) -> None:
    first, second = (Leadership(tmp_path / "w", Worker(number, 2)) for number in (1, 2))
    assert first.take()
    assert first.take()
    assert not second.take()
    assert (first.is_held, second.is_held) == (True, False)
    first.give_up()
    assert second.take()
    assert (first.is_held, second.is_held) == (False, True)


def test_a_process_that_is_alone_leads_without_a_lock(tmp_path: Path) -> None:
    alone = Leadership(tmp_path / "w", None)
    assert alone.take()
    assert alone.is_held
    assert list(tmp_path.iterdir()) == []
