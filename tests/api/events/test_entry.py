"""Entries of the outbox."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
import uuid_utils.compat

from api.events import entry
from api.events.entry import EVENT_TYPES, NewerEntryError, new_entry
from storage import outbox
from storage.errors import BadObjectError

SESSION_ID = str(uuid_utils.compat.uuid7())
CREATED_AT = datetime.fromtimestamp((UUID(SESSION_ID).int >> 80) / 1000, UTC)


@pytest.mark.parametrize("event", EVENT_TYPES)
def test_an_entry_is_read_as_it_was_written_under_a_name_that_the_outbox_takes(
    event: entry.EventType,
) -> None:
    written = new_entry(event, SESSION_ID, CREATED_AT, detail="decode_failed")
    assert entry.decode(written.name, entry.encode(written)) == written
    assert outbox.is_name(written.name)


def test_a_repeated_event_has_the_same_id_and_another_event_has_another() -> None:
    later = CREATED_AT + timedelta(hours=1)
    names = {
        new_entry(event, SESSION_ID, now).name
        for event in EVENT_TYPES
        for now in (CREATED_AT, later)
    }
    assert len(names) == len(EVENT_TYPES)
    assert "." not in "".join(names)  # a dot separates the id from the time in a signature


def test_an_entry_of_one_receiver_has_the_id_of_its_event_and_a_name_of_its_own() -> None:
    whole = new_entry("session.taken_over", SESSION_ID, CREATED_AT, detail="a" * 32)
    keys = {"0" * 16, "1" * 16}
    parts = [whole.only_for(key, "host:1", keys - {key}) for key in keys]
    for part in parts:
        assert entry.decode(part.name, entry.encode(part)) == part
        assert outbox.is_name(part.name)
        assert part.event_id == entry.event_of(part.name) == whole.event_id == whole.name
        assert {*part.not_for, part.receiver} == keys
    assert len({whole.name, *(part.name for part in parts)}) == 3


def test_sequence_numbers_rise_and_begin_with_the_creation() -> None:
    moments = [CREATED_AT + timedelta(seconds=seconds) for seconds in (0, 1, 2, 3)]
    events: tuple[entry.EventType, ...] = (
        "session.created",
        "session.warning",
        "session.completed",
        "session.deleted",
    )
    numbers = [
        new_entry(event, SESSION_ID, now).sequence
        for event, now in zip(events, moments, strict=True)
    ]
    assert numbers[0] == 0
    assert sorted(set(numbers)) == numbers
    behind = new_entry("session.completed", SESSION_ID, CREATED_AT - timedelta(hours=1))
    assert behind.sequence > 0  # a clock that is behind never makes it the first event


def test_bytes_that_are_no_entry_of_this_name_are_refused() -> None:
    written = new_entry("session.created", SESSION_ID, CREATED_AT)
    for data in (b"", b"{}", b"[1]", b"\xff", entry.encode(written)[:-2], b"[" * 100_000):
        with pytest.raises(BadObjectError):
            entry.decode(written.name, data)
    with pytest.raises(BadObjectError, match="it is the event"):
        entry.decode("other", entry.encode(written))


def test_an_entry_of_a_later_release_is_recognised_whatever_it_holds() -> None:
    data = msgspec.json.encode({"version": entry.VERSION + 1, "type": "session.exported"})
    with pytest.raises(NewerEntryError):
        entry.decode("name", data)
