"""The timeline of a session, made of its entries."""

from datetime import UTC, datetime

import msgspec
import pytest

from storage import timeline
from storage.checkpoint import Checkpoint, OpenPause
from storage.errors import BadObjectError
from storage.manifest import Manifest
from storage.timeline import (
    MAX_ENTRIES,
    Connected,
    Disconnected,
    Entry,
    Late,
    Marked,
    Omissions,
    Omitted,
    Opened,
    Paused,
    Timeline,
)

MANIFEST = Manifest(
    session_id="019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b",
    sample_rate=16000,
    channels=1,
    format="wav",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)
ENTRIES: list[Entry] = [
    Connected(1.5, 0, 0, 0, "node"),
    Late(3.0, 32_000, 0.75),
    Paused(4.0, 6.0, 64_000, 10, 5, 500),
    Marked(7.0, 64_000, "label"),
    Disconnected(8.0, 0, 64_000, 15, 64_500),
]


def timeline_of(entries: list[Entry], checkpoint: Checkpoint | None = None) -> Timeline:
    data = b"".join(map(timeline.encode_entry, entries))
    checkpoint = msgspec.structs.replace(checkpoint or Checkpoint(), timeline_bytes=len(data))
    return timeline.timeline_of(MANIFEST, checkpoint, data)


def test_entries_are_shown_with_their_frames_and_times() -> None:
    found = timeline_of(ENTRIES)
    assert found.is_complete
    (connection,) = found.connections
    assert connection.began_at == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)
    assert (connection.frames, connection.chunks, connection.bytes) == (32_000, 15, 64_500)
    assert (found.gaps[0].frame, found.gaps[0].seconds) == (16_000, 0.75)
    assert (found.pauses[0].frame, found.pauses[0].seconds) == (32_000, 2.0)
    assert (found.marks[0].frame, found.marks[0].label) == (32_000, "label")


def test_a_killed_process_ends_its_only_connection_with_the_last_audio() -> None:
    (connection,) = timeline_of([ENTRIES[0], Opened(5.0, 96_000, 30)]).connections
    assert connection.ended_at == datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)
    assert (connection.frames, connection.chunks, connection.bytes) == (48_000, 30, None)


def test_what_one_of_several_connections_sent_is_unknown_after_a_kill() -> None:
    second = Connected(2.0, 1, 0, 0, "node")
    found = timeline_of([ENTRIES[0], second, Opened(5.0, 96_000, 30)]).connections
    assert [each.frames for each in found] == [None, None]
    assert None not in [each.ended_at for each in found]


def test_an_open_connection_has_what_the_session_got_since_it_began() -> None:
    checkpoint = Checkpoint(12, 3200)
    begun = Connected(1.5, 0, 1600, 2, "node")
    (connection,) = timeline_of([begun], checkpoint).connections
    assert (connection.ended_at, connection.bytes) == (None, None)
    assert (connection.frames, connection.chunks) == (800, 10)
    both = timeline_of([begun, Connected(2.0, 1, 0, 0, "node")], checkpoint).connections
    assert [each.frames for each in both] == [None, None]


def test_what_is_not_listed_is_counted_and_the_last_count_holds() -> None:
    first = Omissions().plus(ENTRIES[1])
    second = first.plus(ENTRIES[2]).plus(ENTRIES[0])
    found = timeline_of([Omitted(first), Omitted(second)])
    assert not found.is_complete
    assert found.omitted == Omissions(
        connections=1, gaps=1, gap_seconds=0.75, pauses=1, pause_seconds=2.0
    )


def test_the_second_half_of_the_list_is_for_ever_longer_gaps() -> None:
    numbers = [0, 499, 500, 599, 600, 700, 800, 900, 999]
    assert [timeline.least_gap_seconds(each) for each in numbers] == [0, 0, 1, 1, 2, 4, 8, 16, 16]


def test_an_open_pause_is_shown_without_an_end() -> None:
    checkpoint = Checkpoint(12, 3200, pause=OpenPause(4.0, 10, 700))
    (pause,) = timeline_of([], checkpoint).pauses
    assert (pause.ended_at, pause.chunks, pause.bytes) == (None, 2, 700)


def test_a_timeline_with_as_many_entries_as_it_can_hold_is_not_complete() -> None:
    assert not timeline_of([ENTRIES[1]] * MAX_ENTRIES).is_complete


def test_a_timeline_with_all_marks_that_are_allowed_is_complete() -> None:
    assert timeline_of([ENTRIES[3]] * MAX_ENTRIES).is_complete


def test_damaged_entries_leave_those_before_them() -> None:
    data = b"".join(map(timeline.encode_entry, ENTRIES))[:-1]
    found = timeline.timeline_of(MANIFEST, Checkpoint(timeline_bytes=len(data) + 1), data)
    assert len(found.marks) == 1
    assert not found.is_complete
    with pytest.raises(BadObjectError):
        list(timeline.decode_entries(data))
    assert len(list(timeline.decode_readable(data))) == len(ENTRIES) - 1
