"""Syncs of many recordings that run together, in bounded threads.

What a recording does to become durable is a generator: its code runs between the syncs, and it
yields the calls that must succeed before it goes on. All recordings of a pass take each step
together, so that a pass takes a few latencies of the disk and not some for each recording. File
systems with a journal also commit once for many syncs that arrive together.
"""

from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Future, wait
from typing import TypeVar

from storage.threads import ThreadPool

# A function of `storage.volume.disk.Disk` and the descriptor it is called with.
SyncCall = tuple[Callable[[int], None], int]
Steps = Generator[Sequence[SyncCall], None, None]

# So many threads run first, and twice as many each time they are not done after these seconds.
_FIRST_THREADS = 4
_MORE_AFTER_SECONDS = 0.02

K = TypeVar("K", bound=Hashable)


def run_alone(steps: Steps) -> None:
    """Run the calls of one generator, one after another, in this thread. Raise what it raises."""
    calls = _next(steps, None)
    while calls is not None:
        calls = _next(steps, _sync_each([(None, call) for call in calls]).get(None))


def run_together(steps: Mapping[K, Steps], pool: ThreadPool) -> dict[K, Exception]:
    """Run all generators; return what those that failed have raised, by key. Block.

    Each step of all generators begins after all calls of the step before it have returned. If a
    call raises ``OSError``, its generator gets it, and the others go on. If a call raises anything
    else, or no thread can be started, that is raised, and all generators are closed.
    """
    try:
        return _run_together(steps, pool)
    finally:
        for each in steps.values():
            each.close()


def _run_together(steps: Mapping[K, Steps], pool: ThreadPool) -> dict[K, Exception]:
    raised: dict[K, Exception] = {}
    waiting = dict(steps)
    failed: dict[K, OSError] = {}
    while waiting:
        calls: list[tuple[K, SyncCall]] = []
        for key, each in list(waiting.items()):
            try:
                step = _next(each, failed.get(key))
            except Exception as error:  # noqa: BLE001 - it harms no other recording
                raised[key], step = error, None
            if step is None:
                del waiting[key]
            else:
                calls += [(key, call) for call in step]
        failed = _sync_in_threads(calls, pool)
    return raised


def _next(steps: Steps, error: OSError | None) -> Sequence[SyncCall] | None:
    """Return the calls of the next step, None if there is none."""
    try:
        return next(steps) if error is None else steps.throw(error)
    except StopIteration:
        return None


def _sync_in_threads(calls: Sequence[tuple[K, SyncCall]], pool: ThreadPool) -> dict[K, OSError]:
    """Call each, in few threads if the disk is fast: each thread takes CPU from the event loop."""
    remaining = iter(calls)
    running: list[Future[dict[K, OSError]]] = []
    are_running = bool(calls)
    while are_running and len(running) < min(pool.size, len(calls)):
        try:
            more = len(running) or _FIRST_THREADS
            running.extend(pool.submit(_sync_each, remaining) for _ in range(more))
        except RuntimeError:  # no further thread can be started: those that run make all calls
            if not running:
                deque(remaining, maxlen=0)  # the pool keeps the call: it is to find nothing later
                raise
            break
        are_running = bool(wait(running, timeout=_MORE_AFTER_SECONDS).not_done)
    failed: dict[K, OSError] = {}
    for each in running:
        failed |= each.result()
    return failed


def _sync_each(calls: Iterable[tuple[K, SyncCall]]) -> dict[K, OSError]:
    """Call each; return the first error of each recording.

    Several threads may take their calls from one iterator.
    """
    failed: dict[K, OSError] = {}
    for key, (sync, fd) in calls:
        try:
            sync(fd)
        except OSError as error:
            failed.setdefault(key, error)
    return failed
