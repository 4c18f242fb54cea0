"""The input of streams is kept with its counts, until the streams have ended."""

from api.audio.formats import DecodeError
from storage.checkpoint import Checkpoint, StreamCheckpoint
from storage.volume.recording import VolumeRecording
from tests.api.session.writers import Writers, new_writers, without_journal
from tests.audio import pcm


async def test_kept_input_counts_until_its_stream_has_ended(
    writers: Writers, recording: VolumeRecording
) -> None:
    kept_input = writers.kept_input
    await kept_input.keep(1, b"first")
    assert kept_input.keep_now(1, b"second")
    writers.ledger.append(1, pcm(50), b"")
    assert without_journal(recording.checkpoint) == Checkpoint(
        2, 100, (StreamCheckpoint(1, 11, 100, b""),)
    )
    assert await kept_input.read(1, 100) == b"firstsecond"
    await kept_input.remove(1, None)
    assert without_journal(recording.checkpoint) == Checkpoint(2, 100)


async def test_the_number_of_a_stream_is_not_used_again(
    writers: Writers, recording: VolumeRecording
) -> None:
    await writers.kept_input.keep(7, b"input")
    await writers.kept_input.remove(7, None)
    again = new_writers(recording).kept_input
    await again.restore()
    assert again.last_number == 7


async def test_a_failure_is_a_warning_and_a_failure_already_told_is_not(
    writers: Writers, recording: VolumeRecording
) -> None:
    kept_input = writers.kept_input
    await kept_input.keep(1, b"first")
    await kept_input.fail(1, b"\x01", DecodeError("no audio in it"))
    await kept_input.remove(1, None)
    checkpoint = recording.checkpoint
    assert (checkpoint.streams, checkpoint.warning_count) == ((), 1)
    (warning,) = checkpoint.warnings
    assert (warning.code, warning.message) == ("decode_failed", "no audio in it")
    assert (warning.chunk_count, warning.frame) == (1, 0)


async def test_one_write_ends_a_file_with_its_damage_and_begins_the_next(
    writers: Writers, recording: VolumeRecording
) -> None:
    kept_input = writers.kept_input
    await kept_input.keep(1, b"first")
    damage = DecodeError("its end is damaged")
    await kept_input.replace(
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
    assert await kept_input.read(2, 100) == b"second"
