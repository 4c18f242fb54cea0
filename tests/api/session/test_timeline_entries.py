"""The timeline lists a bounded number of entries of each kind, and counts the others."""

from api.session.timeline_entries import TimelineEntries
from storage import timeline
from storage.checkpoint import Checkpoint

SHORT, LONG = timeline.Late(1.0, 0, 0.75), timeline.Late(2.0, 0, 30.0)
PAUSE = timeline.Paused(1.0, 3.5, 0, 0, 0, 0)
CONNECTION = timeline.Connected(1.0, 0, 0, 0, "node")


def test_long_gaps_are_listed_after_many_short_ones() -> None:
    entries = TimelineEntries()
    assert [entries.add(SHORT) for _ in range(3000)] == [True] * 500 + [False] * 2500
    assert entries.add(LONG)
    assert (entries.omitted.gaps, entries.omitted.gap_seconds) == (2500, 1875.0)


def test_the_count_of_what_is_not_listed_is_written_seldom_and_at_the_end() -> None:
    entries = TimelineEntries()
    for _ in range(3000):
        entries.add(SHORT)
    entries.add_omissions()
    omitted = [each for each in entries.unwritten if isinstance(each, timeline.Omitted)]
    assert len(omitted) < 100
    assert omitted[-1].omissions == entries.omitted
    assert not entries.add_omissions()


def test_pauses_and_connections_that_are_not_listed_are_counted() -> None:
    entries = TimelineEntries()
    for _ in range(timeline.MAX_ENTRIES + 1):
        entries.add(PAUSE)
        entries.add(CONNECTION)
    omitted = entries.omitted
    assert (omitted.pauses, omitted.pause_seconds, omitted.connections) == (1, 2.5, 1)


def test_entries_are_written_once() -> None:
    entries = TimelineEntries()
    entries.add(LONG)
    assert list(timeline.decode_entries(entries.encode())) == [LONG]
    entries.wrote()
    assert entries.encode() == b""


def test_the_next_process_goes_on_counting_and_says_that_it_has_begun() -> None:
    listed = [SHORT] * 500
    omitted = timeline.Omitted(timeline.Omissions(gaps=2, gap_seconds=1.5))
    entries = TimelineEntries()
    checkpoint = Checkpoint(3, 200, timeline_bytes=1, written_at=9.0)
    entries.restore([*listed, omitted], checkpoint)
    assert entries.unwritten == [timeline.Opened(9.0, 200, 3)]
    assert not entries.add(SHORT)
    assert entries.omitted.gap_seconds == 2.25
