"""The files of one stream are decoded in order, and each has a number of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.audio.formats import DecodeError
from api.session.stream_files import StreamFiles
from api.wire.errors import SessionCompletedError
from storage.volume.recording import VolumeRecording
from tests.api.session.writers import Writers, new_files
from tests.audio import decode, encode, pcm, speech, wav

RATE = 16000  # of `new_manifest`
WEBM = encode(speech(), "-c:a", "libopus", "-f", "webm", "-live", "1", "-cluster_time_limit", "100")


@pytest.fixture
async def files(recording: VolumeRecording, writers: Writers) -> AsyncIterator[StreamFiles]:
    files = new_files(recording, writers)
    yield files
    await files.abort()


def audio_of(recording: VolumeRecording, folder: Path) -> bytes:
    path = folder / f"{recording.manifest.session_id}.wav"
    return path.read_bytes()[80:][: recording.checkpoint.pcm_bytes]


async def test_files_that_follow_each_other_in_one_chunk_are_recorded(
    files: StreamFiles, writers: Writers, recording: VolumeRecording, tmp_path: Path
) -> None:
    data = WEBM + WEBM
    await writers.kept_input.keep(1, data)
    await files.decode(data)
    assert files.number == 2
    await files.end()
    assert audio_of(recording, tmp_path) == decode(WEBM, sample_rate=RATE) * 2
    assert files.recorded_bytes == recording.checkpoint.pcm_bytes
    assert recording.checkpoint.streams == ()


async def test_too_many_files_in_one_chunk_are_an_error(
    files: StreamFiles, writers: Writers
) -> None:
    data = wav(pcm(1), sample_rate=RATE) * 102
    await writers.kept_input.keep(1, data)
    with pytest.raises(DecodeError, match="more than 100 files"):
        await files.decode(data)


async def test_a_chunk_that_passes_through_may_end_a_file_and_begin_another(
    files: StreamFiles, writers: Writers, recording: VolumeRecording, tmp_path: Path
) -> None:
    first, second = pcm(100, seed=1), pcm(100, seed=2)
    head = wav(first, sample_rate=RATE)[:-100]
    await writers.kept_input.keep(1, head)
    await files.decode(head)
    framer = files.decoder.passthrough
    assert framer is not None
    await files.pass_through(framer, first[-100:] + wav(second, sample_rate=RATE))
    assert files.number == 2
    await files.end()
    assert audio_of(recording, tmp_path) == first + second
    assert recording.checkpoint.chunk_count == 2


async def test_an_aborted_stream_is_left_to_its_next_owner(
    files: StreamFiles, writers: Writers, recording: VolumeRecording
) -> None:
    await writers.kept_input.keep(1, WEBM[:20_000])
    await files.decode(WEBM[:20_000])
    await files.abort()
    with pytest.raises(SessionCompletedError):
        files.check_not_aborted()
    assert [stream.number for stream in recording.checkpoint.streams] == [1]
