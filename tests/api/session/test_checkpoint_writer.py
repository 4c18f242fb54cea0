"""A checkpoint is written with the entries of the journal and of the timeline that it counts."""

import pytest

from api.audio.formats import DecodeError
from storage import journal, timeline
from storage.checkpoint import TIMELINE, Checkpoint, StreamCheckpoint
from storage.errors import StorageUnavailableError
from storage.journal import JOURNAL
from storage.volume.recording import VolumeRecording
from tests.api.session.writers import Events, Writers
from tests.audio import pcm

STREAM = StreamCheckpoint(1, 0, 0, b"state")
MARK = timeline.Marked(1.0, 0, "mark")


async def test_new_entries_are_written_with_the_next_checkpoint_and_once(
    writers: Writers, recording: VolumeRecording
) -> None:
    writer = writers.writer
    writer.journal.begin_file(0, 1)
    writer.timeline_entries.add(MARK)
    writer.write(pcm(50), Checkpoint(1, 100), 0, 1, passes=True)
    writer.write(pcm(50), recording.checkpoint.advanced(STREAM, chunks=1, pcm_bytes=100), 100, 1)
    kept = recording.checkpoint.kept_bytes
    entries = await writer.read_input(JOURNAL)
    assert list(journal.decode(entries)) == [journal.NextFile(0, 1, 1, 0), journal.Pcm(0, 1)]
    assert list(timeline.decode_entries(await writer.read_input(TIMELINE))) == [MARK]
    assert kept[JOURNAL] == len(entries)


async def test_a_change_is_one_write_with_the_warning_of_what_was_lost(
    writers: Writers, recording: VolumeRecording, events: Events
) -> None:
    lost = DecodeError("reason", "damaged")
    await writers.writer.change(lambda last: last.advanced(STREAM, chunks=1, pcm_bytes=0), lost)
    assert (recording.checkpoint.chunk_count, recording.checkpoint.warning_count) == (1, 1)
    assert (events.appended, events.warned) == (1, ["damaged"])


def test_after_a_write_that_failed_the_entries_are_still_to_be_written(
    writers: Writers, recording: VolumeRecording
) -> None:
    writers.writer.timeline_entries.add(MARK)
    recording.abandon()
    with pytest.raises(StorageUnavailableError):
        writers.writer.write(b"", Checkpoint(), 0)
    assert writers.writer.timeline_entries.unwritten == [MARK]
