"""The ledger writes audio and its counts together, and tries again while the storage fails."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from api.audio.formats import DecodeError
from api.session.ledger import Ledger
from storage import timeline
from storage.checkpoint import Checkpoint, StreamCheckpoint
from storage.errors import StorageUnavailableError
from storage.local import LocalStorage
from storage.retry import Backoff
from storage.volume.recording import VolumeRecording
from tests.audio import pcm
from tests.eventually import eventually
from tests.storage.conftest import file_size_limit, new_manifest

LARGE = pcm(200_000)  # written in a thread


@pytest.fixture
async def recording(storage: LocalStorage) -> AsyncIterator[VolumeRecording]:
    recording = await storage.create(new_manifest())
    yield recording
    recording.abandon()


class Events:
    """What a ledger tells its session."""

    def __init__(self) -> None:
        self.failures: list[StorageUnavailableError] = []
        self.appended = 0

    def count(self) -> None:
        self.appended += 1


@pytest.fixture
def events() -> Events:
    return Events()


def new_ledger(recording: VolumeRecording, events: Events, retries: int) -> Ledger:
    return Ledger(
        recording,
        gave_up=events.failures.append,
        appended=events.count,
        backoff=Backoff(first_seconds=0.01, max_seconds=0.01, retries=retries),
    )


@pytest.fixture
def ledger(recording: VolumeRecording, events: Events) -> Ledger:
    return new_ledger(recording, events, retries=3)


def without_journal(checkpoint: Checkpoint) -> Checkpoint:
    return msgspec.structs.replace(checkpoint, journal_bytes=0, written_at=0.0)


def audio_of(recording: VolumeRecording, folder: Path) -> bytes:
    return (folder / f"{recording.manifest.session_id}.wav").read_bytes()[80:]


async def test_audio_and_counts_of_several_streams_advance_together(
    ledger: Ledger, recording: VolumeRecording, events: Events, tmp_path: Path
) -> None:
    ledger.append(1, pcm(100), b"state", chunks=1)
    await ledger.append_persistently(2, LARGE, b"other", chunks=1)
    assert without_journal(recording.checkpoint) == Checkpoint(
        2,
        200 + len(LARGE),
        (StreamCheckpoint(1, 0, 0, b"state"), StreamCheckpoint(2, 0, 0, b"other")),
    )
    counts = ledger.counts()
    assert (counts.chunk_count, counts.persisted_chunk_count) == (2, 0)
    assert counts.duration_seconds == (200 + len(LARGE)) / 32_000
    assert ledger.last_stream_number == 2
    assert events.appended == 2
    assert audio_of(recording, tmp_path) == pcm(100) + LARGE


async def test_kept_input_counts_until_its_stream_has_ended(
    ledger: Ledger, recording: VolumeRecording
) -> None:
    await ledger.keep_input(1, b"first")
    await ledger.keep_input(1, b"second")
    ledger.append(1, pcm(50), b"")
    assert without_journal(recording.checkpoint) == Checkpoint(
        2, 100, (StreamCheckpoint(1, 11, 100, b""),)
    )
    assert [block async for block in recording.read_input(1)] == [b"firstsecond"]
    await ledger.remove_stream(1, None)
    assert without_journal(recording.checkpoint) == Checkpoint(2, 100)


async def test_a_failure_is_a_warning_and_a_failure_already_told_is_not(
    ledger: Ledger, recording: VolumeRecording
) -> None:
    await ledger.keep_input(1, b"first")
    await ledger.fail(1, b"\x01", DecodeError("no audio in it"))
    await ledger.remove_stream(1, None)
    checkpoint = recording.checkpoint
    assert (checkpoint.streams, checkpoint.warning_count) == ((), 1)
    (warning,) = checkpoint.warnings
    assert (warning.code, warning.message) == ("decode_failed", "no audio in it")
    assert (warning.chunk_count, warning.frame) == (1, 0)


async def test_one_write_ends_a_file_with_its_damage_and_begins_the_next(
    ledger: Ledger, recording: VolumeRecording
) -> None:
    await ledger.keep_input(1, b"first")
    damage = DecodeError("its end is damaged")
    await ledger.replace_stream(
        1,
        pcm(50),
        damage,
        new_number=2,
        kept=b"second",
        kept_twice_bytes=0,
        last_input=b"",
        covered_bytes=0,
        chunks=1,
    )
    checkpoint = recording.checkpoint
    assert (checkpoint.chunk_count, checkpoint.pcm_bytes) == (2, 100)
    assert checkpoint.streams == (StreamCheckpoint(2, 6, 0, b""),)
    assert [warning.message for warning in checkpoint.warnings] == ["its end is damaged"]
    assert [block async for block in recording.read_input(2)] == [b"second"]


async def test_a_write_succeeds_when_the_disk_has_room_again(
    recording: VolumeRecording, events: Events, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = new_ledger(recording, events, retries=1000)
    # The limit leaves no room for the audio, as a full disk does.
    with file_size_limit(4096):
        writing = asyncio.create_task(ledger.append_persistently(1, LARGE, b"", chunks=1))
        await eventually(lambda: "retrying" in caplog.text, awaiting="a write that failed")
        assert not ledger.takes_at_once(1)
    await writing
    assert audio_of(recording, tmp_path) == LARGE
    assert events.failures == []


async def test_after_the_last_retry_nothing_more_is_written(
    ledger: Ledger, recording: VolumeRecording, events: Events
) -> None:
    recording.abandon()  # from now on every write fails
    for _ in range(2):
        with pytest.raises(StorageUnavailableError):
            await ledger.append_persistently(1, pcm(10), b"", chunks=1)
    assert len(events.failures) == 1
    assert recording.checkpoint == Checkpoint()


def test_a_large_chunk_is_not_written_at_once(ledger: Ledger) -> None:
    assert ledger.takes_at_once(256 * 1024)
    assert not ledger.takes_at_once(256 * 1024 + 1)


async def test_the_timeline_notes_a_bounded_number_of_takeovers(
    recording: VolumeRecording, events: Events
) -> None:
    ledger = new_ledger(recording, events, retries=0)
    for _ in range(timeline.MAX_ENTRIES):
        assert ledger.note(timeline.Opened(1.0, 0, 0))
    before = recording.checkpoint.timeline_bytes
    again = new_ledger(recording, events, retries=0)
    await again.restore_journal()
    mark = timeline.Marked(2.0, 0, "mark")
    assert again.note(mark)
    assert recording.checkpoint.timeline_bytes == before + len(timeline.encode_entry(mark))


async def test_what_the_timeline_does_not_list_is_counted_in_bounded_entries(
    ledger: Ledger, recording: VolumeRecording, events: Events
) -> None:
    """Long gaps are listed after many short ones. The next process goes on counting."""
    short, long = timeline.Late(1.0, 0, 0.75), timeline.Late(2.0, 0, 30.0)
    noted = [ledger.note(short) for _ in range(3000)]
    assert noted == [True] * 500 + [False] * 2500
    assert ledger.note(long)
    ledger.end_timeline()
    listed_bytes = 501 * len(timeline.encode_entry(long))
    assert recording.checkpoint.timeline_bytes < listed_bytes + 100 * 100
    found = await ledger.timeline()
    assert (found.omitted.gaps, found.omitted.gap_seconds) == (2500, 1875.0)
    assert not found.is_complete
    again = new_ledger(recording, events, retries=3)
    await again.restore_journal()
    assert not again.note(short)
    assert not again.note(timeline.Late(3.0, 0, 0.5))
    assert [gap.seconds for gap in found.gaps[-2:]] == [0.75, 30.0]
    assert (await again.timeline()).omitted.gap_seconds == 1876.25


async def test_pauses_and_connections_that_the_timeline_does_not_list_are_counted(
    ledger: Ledger,
) -> None:
    pause = timeline.Paused(1.0, 3.5, 0, 0, 0, 0)
    for _ in range(timeline.MAX_ENTRIES + 1):
        ledger.note(pause)
        ledger.connected("node")
    omitted = (await ledger.timeline()).omitted
    assert (omitted.pauses, omitted.pause_seconds, omitted.connections) == (1, 2.5, 1)
