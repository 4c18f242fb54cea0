"""The places of outbox entries."""

from storage import outbox
from storage.outbox import FIRST_SLOT, Place


def test_a_slot_is_a_minute_and_comes_after_the_first_slot() -> None:
    assert outbox.slot_of(1_800_000_059.9) == outbox.slot_of(1_800_000_000.0)
    assert outbox.slot_of(1_800_000_060.0) == outbox.slot_of(1_800_000_000.0) + 1
    assert outbox.slot_begin(outbox.slot_of(1_800_000_059.9)) == 1_800_000_000.0
    assert outbox.slot_of(0.0) > FIRST_SLOT


def test_the_names_of_slots_are_in_the_order_of_time() -> None:
    slots = [FIRST_SLOT, 1, 99_999_999, 100_000_000]
    names = [outbox.slot_name(slot) for slot in slots]
    assert sorted(names) == names
    assert [outbox.parse_slot(name) for name in names] == slots
    assert [outbox.parse_slot(text) for text in ("", "1", "00000000x", "\u0661" * 9)] == [None] * 4


def test_a_name_has_no_dot_and_no_slash() -> None:
    assert outbox.is_name("019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b-taken_over")
    assert not any(map(outbox.is_name, ("", ".", "a/b", "a.b", "A", "-a", "a" * 200, "a\n")))


def test_an_entry_moves_with_its_name() -> None:
    place = Place("node", FIRST_SLOT, "event")
    assert place.moved(7) == Place("node", 7, "event")
    assert place.moved(7, "dead") == Place("dead", 7, "event")
