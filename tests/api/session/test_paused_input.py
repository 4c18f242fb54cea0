"""A stream skips what arrives during a pause, and goes on with whole frames behind it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.session.input_stream import InputStream
from storage.volume.recording import VolumeRecording
from tests.api.session.writers import Writers, new_stream
from tests.audio import encode, pcm, speech, wav

RATE = 16000  # of `new_manifest`
WEBM = encode(speech(), "-c:a", "libopus", "-f", "webm", "-live", "1", "-cluster_time_limit", "100")


@pytest.fixture
async def stream(recording: VolumeRecording, writers: Writers) -> AsyncIterator[InputStream]:
    stream = new_stream(recording, writers)
    yield stream
    await stream.abort()


def audio_of(recording: VolumeRecording, folder: Path) -> bytes:
    path = folder / f"{recording.manifest.session_id}.wav"
    return path.read_bytes()[80:][: recording.checkpoint.pcm_bytes]


async def send_with_pause(stream: InputStream, writers: Writers, *parts: bytes) -> None:
    """Send three parts, the second of them during a pause."""
    before, skipped, after = parts
    await stream.receive(before)
    writers.pauses.is_paused = True
    await stream.pause()
    await writers.pauses.begin()
    await stream.receive(skipped)
    await writers.pauses.end()
    await stream.receive(after)
    await stream.end()


async def test_pcm_goes_on_in_step_and_the_skipped_part_of_a_frame_is_silent(
    stream: InputStream, writers: Writers, recording: VolumeRecording, tmp_path: Path
) -> None:
    audio = pcm(300)
    await send_with_pause(stream, writers, audio[:200], audio[200:301], audio[301:])
    assert audio_of(recording, tmp_path) == audio[:200] + bytes([0, audio[301]]) + audio[302:]
    assert recording.checkpoint.chunk_count == 3


async def test_a_file_that_begins_during_a_pause_goes_on_behind_it(
    stream: InputStream, writers: Writers, recording: VolumeRecording, tmp_path: Path
) -> None:
    first, second = pcm(100, seed=1), pcm(100, seed=2)
    data = wav(second, sample_rate=RATE)
    await send_with_pause(stream, writers, wav(first, sample_rate=RATE), data[:100], data[100:])
    assert audio_of(recording, tmp_path) == first + data[100:]


async def test_a_container_goes_on_with_the_first_whole_element(
    stream: InputStream, writers: Writers, recording: VolumeRecording
) -> None:
    """Only its head is kept during the pause, and nothing counts as damaged."""
    third = len(WEBM) // 3
    await send_with_pause(stream, writers, WEBM[:third], WEBM[third : 2 * third], WEBM[2 * third :])
    whole_seconds, seconds = len(speech()) / 2 / RATE, recording.checkpoint.pcm_bytes / 2 / RATE
    assert 0.4 * whole_seconds < seconds < 0.8 * whole_seconds
    assert recording.checkpoint.warning_count == 0
