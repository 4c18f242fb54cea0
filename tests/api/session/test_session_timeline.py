"""The timeline of a session is written with its audio, and its size is bounded."""

import asyncio

import pytest

from api.wire.errors import TooManyMarksError
from storage import timeline
from storage.volume.recording import VolumeRecording
from tests.api.session.writers import Writers, new_writers
from tests.audio import pcm


async def test_the_timeline_notes_a_bounded_number_of_takeovers(
    writers: Writers, recording: VolumeRecording
) -> None:
    for _ in range(timeline.MAX_ENTRIES):
        assert writers.timeline.note(timeline.Opened(1.0, 0, 0))
    before = recording.checkpoint.timeline_bytes
    again = new_writers(recording).timeline
    await again.restore()
    mark = timeline.Marked(2.0, 0, "mark")
    assert again.note(mark)
    assert recording.checkpoint.timeline_bytes == before + len(timeline.encode_entry(mark))


async def test_what_the_timeline_does_not_list_is_counted_in_bounded_entries(
    writers: Writers, recording: VolumeRecording
) -> None:
    """Long gaps are listed after many short ones. The next process goes on counting."""
    short, long = timeline.Late(1.0, 0, 0.75), timeline.Late(2.0, 0, 30.0)
    noted = [writers.timeline.note(short) for _ in range(3000)]
    assert noted == [True] * 500 + [False] * 2500
    assert writers.timeline.note(long)
    writers.timeline.end()
    listed_bytes = 501 * len(timeline.encode_entry(long))
    assert recording.checkpoint.timeline_bytes < listed_bytes + 100 * 100
    found = await writers.timeline.read()
    assert (found.omitted.gaps, found.omitted.gap_seconds) == (2500, 1875.0)
    assert not found.is_complete
    again = new_writers(recording).timeline
    await again.restore()
    assert not again.note(short)
    assert not again.note(timeline.Late(3.0, 0, 0.5))
    assert [gap.seconds for gap in found.gaps[-2:]] == [0.75, 30.0]
    assert (await again.read()).omitted.gap_seconds == 1876.25


async def test_too_many_marks_are_refused(writers: Writers) -> None:
    for _ in range(timeline.MAX_ENTRIES):
        writers.timeline.note(timeline.Marked(1.0, 0, "mark"))
    with pytest.raises(TooManyMarksError):
        await writers.timeline.mark("one more")


async def test_an_entry_that_cannot_be_written_at_once_is_written_with_the_next_audio(
    writers: Writers,
) -> None:
    may_end = asyncio.Event()
    writing = asyncio.create_task(writers.writer.retries.run(may_end.wait))
    await asyncio.sleep(0)  # the write begins
    writers.timeline.note(timeline.Marked(1.0, 0, "mark"))
    assert (await writers.timeline.read()).marks == ()
    may_end.set()
    await writing
    assert writers.ledger.append_now(1, pcm(10), b"state", chunks=1)
    assert [mark.label for mark in (await writers.timeline.read()).marks] == ["mark"]
