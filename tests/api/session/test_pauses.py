"""During a pause chunks count, and nothing of them is recorded."""

from storage.checkpoint import StreamCheckpoint
from storage.volume.recording import VolumeRecording
from tests.api.session.writers import Writers, new_writers
from tests.audio import pcm

STREAM = StreamCheckpoint(1, 0, 0, b"state")


async def test_a_pause_counts_what_is_skipped_until_it_ends(
    writers: Writers, recording: VolumeRecording
) -> None:
    writers.ledger.append(1, pcm(50), b"state", chunks=1)
    pauses = writers.pauses
    await pauses.begin()
    await pauses.skip_chunk(STREAM, 10)
    await pauses.skip(3)
    await pauses.skip_chunk(STREAM, 20)
    assert pauses.is_paused
    await pauses.end()
    assert not pauses.is_paused
    checkpoint = recording.checkpoint
    assert (checkpoint.chunk_count, checkpoint.pcm_bytes, checkpoint.pause) == (3, 100, None)
    (pause,) = (await writers.timeline.read()).pauses
    assert (pause.frame, pause.first_chunk, pause.chunks, pause.bytes) == (50, 1, 2, 33)


async def test_a_pause_begins_and_ends_once(writers: Writers) -> None:
    for _ in range(2):
        await writers.pauses.begin()
    for _ in range(2):
        await writers.pauses.end()
    assert len((await writers.timeline.read()).pauses) == 1


async def test_the_next_process_knows_of_a_pause(
    writers: Writers, recording: VolumeRecording
) -> None:
    await writers.pauses.begin()
    assert new_writers(recording).pauses.is_paused


async def test_a_chunk_within_one_sample_is_skipped_without_a_pause(
    writers: Writers, recording: VolumeRecording
) -> None:
    await writers.pauses.skip_chunk(STREAM, 1)
    assert (recording.checkpoint.chunk_count, recording.checkpoint.pause) == (1, None)
