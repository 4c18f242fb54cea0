"""The lock on the index, between threads and between processes."""

import shutil
import threading
from pathlib import Path

import pytest

from storage.local.index_lock import IndexLock
from storage.service_lock import open_lock


def test_many_share_the_lock_and_none_of_them_with_an_exclusive_one(tmp_path: Path) -> None:
    lock = IndexLock(tmp_path, 60)
    with lock.shared(), lock.shared(), pytest.raises(BlockingIOError), lock.exclusive_at_once():
        pass
    with lock.exclusive_at_once(), pytest.raises(BlockingIOError), lock.exclusive_at_once():
        pass


def test_locks_that_are_shared_in_turn_do_not_keep_an_exclusive_one_waiting(tmp_path: Path) -> None:
    lock, is_exclusive, is_started = IndexLock(tmp_path, 60), threading.Event(), threading.Event()

    def take_exclusive() -> None:
        with lock.exclusive():
            is_exclusive.set()

    def share_in_turn(own: threading.Event, other: threading.Event) -> None:
        """Share the lock, always until the other thread shares it too, as far as it gets it."""
        while not is_exclusive.is_set():
            with lock.shared():
                own.set()
                is_started.set()
                other.wait(0.05)
                other.clear()

    events = threading.Event(), threading.Event()
    threads = [
        threading.Thread(target=share_in_turn, args=events),
        threading.Thread(target=share_in_turn, args=events[::-1]),
        threading.Thread(target=take_exclusive),
    ]
    for thread in threads:
        thread.start()
        is_started.wait(60)
    try:
        assert is_exclusive.wait(60)
    finally:
        is_exclusive.set()
        for thread in threads:
            thread.join()


def test_nothing_waits_for_ever_for_a_process_that_is_suspended(tmp_path: Path) -> None:
    suspended, lock = IndexLock(tmp_path, 60), IndexLock(tmp_path, 0.05)
    with suspended.shared(), pytest.raises(BlockingIOError), lock.exclusive():
        pass
    with suspended.exclusive(), pytest.raises(BlockingIOError), lock.shared():
        pass
    with lock.exclusive():
        pass


def test_a_lock_whose_file_was_removed_is_not_in_place(tmp_path: Path) -> None:
    lock = IndexLock(tmp_path / "index", 60)
    (tmp_path / "index").mkdir()
    with lock.shared() as descriptor:
        assert lock.is_in_place(descriptor)
        shutil.rmtree(tmp_path / "index")
        assert not lock.is_in_place(descriptor)
        (tmp_path / "index").mkdir()
        with lock.shared():
            assert not lock.is_in_place(descriptor)
    assert not lock.is_in_place(-1)


def test_a_folder_in_the_place_of_a_lock_is_locked(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    assert open_lock(tmp_path / "lock") > 0
    lock = IndexLock(tmp_path, 60)
    with lock.shared(), pytest.raises(BlockingIOError), lock.exclusive_at_once():
        pass
