"""Workers see the loads of each other."""

from api.workers import loads
from api.workers.loads import Loads
from storage.worker import Worker


def test_a_worker_sees_the_least_load_of_the_others() -> None:
    memory = loads.create_memory(3)
    first, second, fourth = (Loads(memory, Worker(number, 3)) for number in (1, 2, 4))
    assert first.least_of_others() is None
    first.publish(9)
    second.publish(5)
    fourth.publish(7)
    assert [each.least_of_others() for each in (first, second, fourth)] == [5, 7, 5]


def test_workers_that_have_ended_or_stop_do_not_count() -> None:
    memory = loads.create_memory(3)
    first, second, third = (Loads(memory, Worker(number, 3)) for number in (1, 2, 3))
    second.publish(1)
    third.publish(2)
    loads.remove(memory, Worker(2, 3))
    assert first.least_of_others() == 2
    third.withdraw()
    assert first.least_of_others() is None
