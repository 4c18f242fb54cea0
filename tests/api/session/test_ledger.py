"""The ledger writes audio and its counts together."""

import asyncio
from pathlib import Path

import pytest

from storage import timeline
from storage.checkpoint import Checkpoint, StreamCheckpoint
from storage.errors import StorageUnavailableError
from storage.volume.recording import VolumeRecording
from tests.api.session.writers import Events, Writers, without_journal
from tests.audio import pcm

LARGE = pcm(200_000)  # written in a thread


async def test_audio_and_counts_of_several_streams_advance_together(
    writers: Writers, recording: VolumeRecording, events: Events, tmp_path: Path
) -> None:
    ledger = writers.ledger
    ledger.append(1, pcm(100), b"state", chunks=1)
    await ledger.append_persistently(2, LARGE, b"other", chunks=1)
    assert without_journal(recording.checkpoint) == Checkpoint(
        2,
        200 + len(LARGE),
        (StreamCheckpoint(1, 0, 0, b"state"), StreamCheckpoint(2, 0, 0, b"other")),
    )
    assert events.appended == 2
    audio = (tmp_path / f"{recording.manifest.session_id}.wav").read_bytes()[80:]
    assert audio == pcm(100) + LARGE


def test_a_large_chunk_is_not_written_at_once(writers: Writers) -> None:
    ledger = writers.ledger
    assert ledger.takes_at_once(256 * 1024)
    assert not ledger.takes_at_once(256 * 1024 + 1)
    assert not ledger.append_now(1, LARGE, b"state", chunks=1)
    _follow(writers, 1)
    assert not ledger.append_next(1, LARGE)


def test_the_next_chunk_of_a_stream_is_appended_and_counted(
    writers: Writers, recording: VolumeRecording, events: Events, tmp_path: Path
) -> None:
    _follow(writers, 1)
    before, told = recording.checkpoint, events.appended
    assert writers.ledger.append_next(1, pcm(60, seed=1))
    assert writers.ledger.append_next(1, pcm(40, seed=2))
    after = recording.checkpoint
    assert (after.chunk_count, after.pcm_bytes) == (before.chunk_count + 2, before.pcm_bytes + 200)
    assert after.streams == before.streams
    assert after.written_at > before.written_at
    assert events.appended == told + 2
    audio = (tmp_path / f"{recording.manifest.session_id}.wav").read_bytes()[80:]
    assert audio == pcm(100) + pcm(60, seed=1) + pcm(40, seed=2)


def test_a_chunk_of_another_stream_is_not_the_next_one(writers: Writers) -> None:
    _follow(writers, 1)
    assert not writers.ledger.append_next(2, pcm(10))
    _follow(writers, 2)
    assert not writers.ledger.append_next(1, pcm(10))
    assert writers.ledger.append_next(2, pcm(10))


def test_nothing_is_next_before_anything_was_appended(writers: Writers) -> None:
    assert not writers.ledger.append_next(-1, pcm(10))


async def test_nothing_is_next_after_any_other_checkpoint(
    writers: Writers, recording: VolumeRecording
) -> None:
    async def warn() -> None:
        await writers.ledger.warn("decode_failed", "no frames")

    async def pause() -> None:
        await writers.pauses.begin()

    async def mark() -> None:
        await writers.timeline.mark("here")

    async def end_stream() -> None:
        await writers.kept_input.remove(1, None)

    for happens in (warn, pause, mark, end_stream):
        _follow(writers, 1)
        await happens()
        before = recording.checkpoint
        assert not writers.ledger.append_next(1, pcm(10)), happens
        assert recording.checkpoint is before


async def test_nothing_is_next_while_another_write_is_retried(writers: Writers) -> None:
    _follow(writers, 1)
    may_end = asyncio.Event()
    writing = asyncio.create_task(writers.writer.retries.run(may_end.wait))
    await asyncio.sleep(0)  # the write begins
    assert not writers.ledger.append_next(1, pcm(10))
    may_end.set()
    await writing
    assert writers.ledger.append_next(1, pcm(10))


@pytest.mark.parametrize("kind", ["timeline", "journal"])
def test_nothing_is_next_while_an_entry_is_to_be_written(writers: Writers, kind: str) -> None:
    _follow(writers, 1)
    if kind == "timeline":
        writers.writer.timeline_entries.add(timeline.Marked(1.0, 0, "mark"))
    else:
        writers.writer.journal.begin_file(200, 2)
        writers.writer.journal.keep_all(200, 2)
    assert not writers.ledger.append_next(1, pcm(10))


def test_a_next_chunk_that_the_storage_does_not_take_changes_nothing(
    writers: Writers, recording: VolumeRecording, monkeypatch: pytest.MonkeyPatch
) -> None:
    _follow(writers, 1)
    before = recording.checkpoint

    def fail(*_: object) -> None:
        raise StorageUnavailableError("full")

    with monkeypatch.context() as patch:
        patch.setattr(VolumeRecording, "append", fail)
        assert not writers.ledger.append_next(1, pcm(10))
    assert recording.checkpoint is before
    assert writers.ledger.append_next(1, pcm(10))


def _follow(writers: Writers, number: int) -> None:
    """Append PCM of a stream, whose next chunks may follow."""
    assert writers.ledger.append_now(number, pcm(100), b"state", chunks=1)
    writers.ledger.follow()
