"""The counts of a service hold for all its workers."""

import asyncio

from api.workers.limits import Counters, Maxima, OwnLimits, remove_expired
from tests.conftest import ManualClock
from tests.eventually import eventually


def test_sessions_of_all_workers_count_towards_the_limit_of_the_service() -> None:
    counters, maxima = Counters(), Maxima(3)
    assert [counters.claim(worker, f"{worker}", None, maxima) for worker in (1, 2, 3, 4)] == [
        None,
        None,
        None,
        "service",
    ]
    counters.release(2, "2")
    assert counters.claim(4, "4", None, maxima) is None


def test_sessions_of_a_user_count_on_whichever_worker_they_are() -> None:
    counters, maxima = Counters(), Maxima(10, sessions_per_user=2)
    assert [counters.claim(worker, f"{worker}", "ann", maxima) for worker in (1, 2, 3)] == [
        None,
        None,
        "user",
    ]
    assert counters.claim(3, "3", "bob", maxima) is None
    assert [counters.claim(3, f"no user {each}", None, maxima) for each in range(3)] == [None] * 3


def test_sessions_of_a_worker_that_has_ended_do_not_count() -> None:
    counters, maxima = Counters(), Maxima(2, sessions_per_user=2)
    counters.hold(1, "a", "ann")
    counters.hold(1, "b", "ann")
    counters.drop(1)
    assert counters.session_count == 0
    assert counters.claim(2, "c", "ann", maxima) is None


def test_a_session_that_was_taken_over_counts_once_and_for_its_new_worker() -> None:
    counters = Counters()
    counters.hold(1, "a", "ann")
    counters.hold(2, "a", "ann")
    assert counters.session_count == 1
    counters.release(1, "a")  # the old worker notices late
    counters.drop(1)
    assert counters.session_count == 1
    assert counters.claim(1, "b", "ann", Maxima(9, sessions_per_user=1)) == "user"


def test_a_key_may_act_so_often_in_any_minute(clock: ManualClock) -> None:
    counters = Counters(clock.monotonic)
    assert [counters.allow("a", 2) for _ in range(3)] == [True, True, False]
    assert counters.allow("b", 2)
    clock.seconds = 59.9
    assert not counters.allow("a", 2)
    clock.seconds = 60.0
    assert [counters.allow("a", 2) for _ in range(3)] == [True, True, False]


async def test_counts_of_acts_are_removed_when_they_have_expired(clock: ManualClock) -> None:
    counters = Counters(clock.monotonic)
    counters.allow("old", 1)
    clock.seconds = 30.0
    counters.allow("new", 1)
    clock.seconds = 60.0
    removing = asyncio.create_task(remove_expired(counters, every_seconds=0))
    await eventually(lambda: list(counters._acts) == ["new"], awaiting="the removal")
    removing.cancel()


async def test_a_service_of_one_process_counts_for_itself() -> None:
    limits = OwnLimits()
    assert await limits.claim("a", None, Maxima(1)) is None
    assert await limits.claim("b", None, Maxima(1)) == "service"
    limits.release("a")
    limits.hold("b", None)
    assert await limits.claim("c", None, Maxima(1)) == "service"
    assert [await limits.allow("x", 1) for _ in range(2)] == [True, False]
