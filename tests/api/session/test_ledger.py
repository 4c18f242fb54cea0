"""The ledger writes audio and its counts together."""

from pathlib import Path

from storage.checkpoint import Checkpoint, StreamCheckpoint
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
    assert writers.ledger.takes_at_once(256 * 1024)
    assert not writers.ledger.takes_at_once(256 * 1024 + 1)
    assert not writers.ledger.append_chunk(1, LARGE, b"state")
