"""Syncs of many recordings together: their order, their threads, and what fails."""

import contextlib
import errno
import resource
import threading
from collections.abc import Callable, Iterator

import psutil
import pytest

from storage.threads import ThreadPool
from storage.volume.sync_pass import Steps, run_alone, run_together

_STACKS = 12  # more than the C library keeps of threads that have ended

POOL = ThreadPool("test-syncing", 16)
SECONDS = 30.0  # until a test that waits for threads fails


def two_steps(sync: Callable[[int], None], fd: int) -> Steps:
    yield [(sync, fd), (sync, fd + 100)]
    yield [(sync, fd + 200)]


@contextlib.contextmanager
def no_new_threads() -> Iterator[None]:
    """Leave the process too little memory for the stack of a thread."""
    end = threading.Event()
    threads = [threading.Thread(target=end.wait) for _ in range(_STACKS)]
    for each in threads:
        each.start()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    size_bytes = psutil.Process().memory_info().vms + 2**20
    resource.setrlimit(resource.RLIMIT_AS, (size_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
        end.set()
        for each in threads:
            each.join()


def test_no_call_of_a_step_begins_before_all_calls_of_the_step_before_have_returned() -> None:
    lock, begun, ended = threading.Lock(), list[int](), list[int]()

    def sync(fd: int) -> None:
        with lock:
            begun.append(fd)
            assert fd < 200 or len(ended) >= 20
        with lock:
            ended.append(fd)

    assert run_together({fd: two_steps(sync, fd) for fd in range(10)}, POOL) == {}
    assert sorted(begun) == sorted([*range(10), *range(100, 110), *range(200, 210)])


def test_slow_syncs_run_in_all_threads_of_the_pool() -> None:
    """Each of them waits until there are as many as threads."""
    all_threads = threading.Barrier(POOL.size, timeout=SECONDS)

    def sync(_: int) -> None:
        all_threads.wait()

    def steps() -> Steps:
        yield [(sync, 0)]

    assert run_together({number: steps() for number in range(2 * POOL.size)}, POOL) == {}


@pytest.mark.parametrize("bad_fd", [3, 103, 203])
def test_a_failed_sync_harms_its_own_recording_only(bad_fd: int) -> None:
    synced: set[int] = set()

    def sync(fd: int) -> None:
        if fd == bad_fd:
            raise OSError(errno.EIO, "Input/output error")
        synced.add(fd)

    raised = run_together({fd: two_steps(sync, fd) for fd in range(10)}, POOL)
    assert [(fd, type(error)) for fd, error in raised.items()] == [(3, OSError)]
    assert {200 + fd for fd in range(10) if fd != 3} <= synced
    assert 203 not in synced


def test_if_no_further_thread_can_be_started_those_that_run_make_all_calls() -> None:
    pool, synced = ThreadPool("few-threads", 16), list[int]()
    pool.submit(int).result()
    with no_new_threads():
        assert run_together({fd: two_steps(synced.append, fd) for fd in range(10)}, pool) == {}
    assert sorted(synced) == sorted([*range(10), *range(100, 110), *range(200, 210)])


def test_if_no_thread_can_be_started_no_call_is_made_later_either() -> None:
    """The descriptor may belong to another file by then."""
    pool, synced = ThreadPool("no-threads", 1), list[int]()
    with no_new_threads(), pytest.raises(RuntimeError, match="thread"):
        run_together({3: two_steps(synced.append, 3)}, pool)
    pool.submit(int).result()
    assert synced == []


def test_a_defect_in_one_recording_stops_no_other() -> None:
    def defective() -> Steps:
        yield []
        raise ZeroDivisionError

    synced: set[int] = set()
    raised = run_together({0: defective(), 1: two_steps(synced.add, 1)}, POOL)
    assert isinstance(raised[0], ZeroDivisionError)
    assert synced == {1, 101, 201}


def test_alone_a_recording_gets_the_error_of_its_sync() -> None:
    def sync(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error", str(fd))

    with pytest.raises(OSError, match="'7'"):
        run_alone(two_steps(sync, 7))
