"""The window of the earliest entries."""

import math
import random

from api.events.schedule import RETRY_SECONDS, Schedule
from storage.outbox import FIRST_SLOT, Place, slot_begin, slot_of

NOW = 1_800_000_000.0


def place(name: str, slot: int = FIRST_SLOT) -> Place:
    return Place("node", slot, name)


def loaded(schedule: Schedule) -> Schedule:
    schedule.load([], is_complete=True)
    return schedule


def test_entries_come_when_they_are_due_the_earliest_first() -> None:
    schedule = loaded(Schedule())
    for name, due in (("b", NOW + 2), ("a", NOW + 1), ("c", NOW + 3)):
        schedule.add(place(name), due)
    assert schedule.pop(NOW) is None
    assert schedule.next_time == NOW + 1
    assert [schedule.pop(NOW + 2) for _ in range(3)] == [place("a"), place("b"), None]


def test_an_entry_on_hold_does_not_come_from_a_page_either() -> None:
    schedule = Schedule()
    schedule.hold(place("held"))
    assert schedule.load([place("held"), place("other")], is_complete=True) == 1
    assert [schedule.pop(NOW), schedule.pop(NOW)] == [place("other"), None]
    schedule.add(place("held"), NOW)
    assert schedule.pop(NOW) == place("held")


def test_an_entry_in_work_does_not_come_again_until_it_is_added() -> None:
    schedule = Schedule()
    schedule.load([place("a")], is_complete=True)
    assert schedule.pop(NOW) == place("a")
    assert schedule.load([place("a")], is_complete=True) == 0
    schedule.add(place("a"), NOW + 5)
    schedule.forget(place("a"))  # the end of the work, during which it was added
    assert schedule.load([place("a")], is_complete=True) == 0
    assert [schedule.pop(NOW), schedule.pop(NOW + 5)] == [None, place("a")]


def test_a_page_is_needed_at_first_and_when_the_known_entries_are_done() -> None:
    schedule = Schedule()
    assert schedule.needs_page(NOW)
    schedule.load([place("a"), place("b")], is_complete=False)
    assert not schedule.needs_page(NOW)
    schedule.pop(NOW)
    schedule.pop(NOW)
    assert schedule.needs_page(NOW)
    assert not loaded(schedule).needs_page(NOW)
    assert schedule.next_time == math.inf
    schedule.expect_others()
    assert schedule.needs_page(NOW)


def test_a_backlog_of_any_length_is_popped_whole_in_order_with_bounded_memory() -> None:
    generator = random.Random(1)
    slots = [FIRST_SLOT, *range(slot_of(NOW) - 40, slot_of(NOW))]
    stored = {place(f"event-{n}", generator.choice(slots)) for n in range(3000)}
    schedule, done, pages = Schedule(capacity=100), [], 0
    while stored:
        if schedule.needs_page(NOW):
            page = sorted(stored, key=lambda each: each.slot)[:50]
            schedule.load(page, is_complete=len(stored) <= 50)
            pages += 1
        found = schedule.pop(NOW)
        assert found is not None
        assert len(schedule._waiting) <= 100
        stored.remove(found)
        schedule.forget(found)
        done.append(found.slot)
        if len(done) % 7 == 0:  # new events come meanwhile
            new = place(f"new-{len(done)}", slot_of(NOW + 600))
            schedule.add(new, NOW + 600)
    assert sorted(done) == done
    assert pages < 100


def test_an_entry_that_does_not_fit_is_found_by_a_page_later() -> None:
    schedule = loaded(Schedule(capacity=2))
    entries = [place(f"event-{n}", slot_of(NOW) + n) for n in range(4)]
    for entry in entries:
        schedule.add(entry, slot_begin(entry.slot))
    later = NOW + 1000
    assert [schedule.pop(later), schedule.pop(later)] == entries[:2]
    assert schedule.needs_page(later)
    schedule.load(entries[2:], is_complete=True)
    assert [schedule.pop(later), schedule.pop(later)] == entries[2:]


def test_the_attempts_span_three_days_as_the_specification_recommends() -> None:
    assert len(RETRY_SECONDS) == 9
    assert sum(RETRY_SECONDS) > 3 * 86400
    assert list(RETRY_SECONDS) == sorted(RETRY_SECONDS)
