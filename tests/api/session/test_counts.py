"""The counts in messages are those of the recording."""

from api.session.counts import Counts
from storage.checkpoint import Checkpoint
from storage.volume.recording import VolumeRecording
from tests.audio import pcm


async def test_counts_are_read_from_the_checkpoints(recording: VolumeRecording) -> None:
    counts = Counts(recording)
    recording.append(pcm(100), Checkpoint(2, 200).warned("damaged", "reason", frame=0))
    found = counts.read()
    assert (found.chunk_count, found.persisted_chunk_count) == (2, 0)
    assert found.duration_seconds == 200 / 32_000
    assert (counts.warnings.total, counts.warnings.first[0].code) == (1, "damaged")
    await recording.flush()
    assert counts.read().persisted_chunk_count == 2
