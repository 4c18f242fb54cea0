"""One input stream decodes its chunks in order, from its first byte to its end."""

from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from api.audio.formats import DecodeError
from api.session.input_stream import InputStream
from api.wire.errors import SessionCompletedError
from storage.local import LocalStorage
from storage.volume.recording import VolumeRecording
from tests.api.session.writers import new_stream, new_writers
from tests.audio import cut, decode, encode, pcm, speech, wav
from tests.eventually import eventually
from tests.service import children_of
from tests.storage.conftest import file_size_limit, new_manifest

RATE = 22050
FLAC = encode(speech(), "-c:a", "flac", "-f", "flac")
WEBM = encode(speech(), "-c:a", "libopus", "-f", "webm", "-live", "1", "-cluster_time_limit", "100")


@pytest.fixture
async def recording(storage: LocalStorage) -> AsyncIterator[VolumeRecording]:
    recording = await storage.create(new_manifest(sample_rate=RATE))
    yield recording
    recording.abandon()


@pytest.fixture
async def stream(recording: VolumeRecording) -> AsyncIterator[InputStream]:
    stream = new_stream(recording, new_writers(recording))
    yield stream
    await stream.abort()


def audio_of(recording: VolumeRecording, folder: Path) -> bytes:
    path = folder / f"{recording.manifest.session_id}.wav"
    return path.read_bytes()[80:][: recording.checkpoint.pcm_bytes]


async def test_raw_pcm_is_recorded_at_once_after_its_first_chunk(
    stream: InputStream, recording: VolumeRecording, tmp_path: Path
) -> None:
    pieces = list(cut(pcm(1000), 300))
    assert not stream.has_input
    assert not stream.receive_now(pieces[0])  # its format is not known
    await stream.receive(pieces[0])
    assert all(stream.receive_now(piece) for piece in pieces[1:])
    await stream.end()
    assert audio_of(recording, tmp_path) == pcm(1000)
    checkpoint = recording.checkpoint
    assert (checkpoint.chunk_count, checkpoint.pcm_bytes) == (len(pieces), 2000)
    assert checkpoint.streams == ()


async def test_a_chunk_that_begins_a_file_is_not_recorded_at_once(stream: InputStream) -> None:
    await stream.receive(pcm(100))
    assert not stream.receive_now(wav(pcm(100)))


async def test_a_container_is_decoded_to_its_last_frame(
    stream: InputStream, recording: VolumeRecording, tmp_path: Path
) -> None:
    for piece in cut(FLAC, 5000):
        await stream.receive(piece)
    await stream.end()
    await stream.end()
    assert audio_of(recording, tmp_path) == decode(FLAC, sample_rate=RATE)
    assert recording.checkpoint.streams == ()


@pytest.mark.parametrize("data", [FLAC, WEBM], ids=["flac", "webm"])
async def test_a_container_is_kept_and_decoded_without_waiting_after_its_first_chunk(
    stream: InputStream, recording: VolumeRecording, tmp_path: Path, data: bytes
) -> None:
    pieces = [data[:5000], *cut(data[5000:], 500)]
    await stream.receive(pieces[0])
    taken = 0
    for piece in pieces[1:]:
        if stream.receive_now(piece):
            taken += 1
        else:  # on a slow machine the framer has used its slice of time
            await stream.receive(piece)
    assert taken > len(pieces) / 2
    assert recording.checkpoint.streams[0].kept_bytes == len(data)
    await stream.end()
    assert audio_of(recording, tmp_path) == decode(data, sample_rate=RATE)
    assert recording.checkpoint.chunk_count == len(pieces)


async def test_a_chunk_waits_while_ffmpeg_does_not_read(
    stream: InputStream, recording: VolumeRecording, tmp_path: Path
) -> None:
    """It is kept and counted once, whether the rest is done by `receive` or by the end."""
    data = encode(wav(pcm(200_000), sample_rate=RATE), "-c:a", "flac", "-f", "flac")
    pieces = list(cut(data, 15_000))
    for piece in pieces[:10]:
        await stream.receive(piece)
    await eventually(
        lambda: recording.checkpoint.pcm_bytes, lambda count: count > 0, awaiting="decoded audio"
    )
    (ffmpeg,) = await children_of(psutil.Process())
    ffmpeg.suspend()
    received = 10
    while stream.receive_now(pieces[received]):  # a pipe has 64 KiB
        received += 1
    assert recording.checkpoint.chunk_count == received + 1
    assert not stream.receive_now(pieces[received + 1])
    assert recording.checkpoint.chunk_count == received + 1
    ffmpeg.resume()
    for piece in pieces[received + 1 :]:  # of the one before nothing more is heard
        await stream.receive(piece)
    await stream.end()
    assert audio_of(recording, tmp_path) == decode(data, sample_rate=RATE)
    assert recording.checkpoint.chunk_count == len(pieces)


@pytest.mark.parametrize("is_received", [True, False], ids=["received", "ended"])
async def test_a_file_that_begins_within_a_chunk_is_recorded(
    stream: InputStream, recording: VolumeRecording, tmp_path: Path, *, is_received: bool
) -> None:
    data = WEBM + WEBM
    first, second = data[: len(WEBM) - 1000], data[len(WEBM) - 1000 : len(WEBM) + 5000]
    await stream.receive(first)
    assert not stream.receive_now(second)
    if is_received:
        await stream.receive(second)
        await stream.receive(data[len(first) + len(second) :])
    await stream.end()
    whole = decode(WEBM, sample_rate=RATE)
    expected = whole + (whole if is_received else decode(WEBM[:5000], sample_rate=RATE))
    assert audio_of(recording, tmp_path) == expected


async def test_damage_is_a_warning_before_the_stream_ends(
    stream: InputStream, recording: VolumeRecording
) -> None:
    data = encode(speech(), "-c:a", "aac", "-f", "adts")
    await stream.receive(data[:9000])
    for piece in cut(data[9500:], 3000):
        if not stream.receive_now(piece):
            await stream.receive(piece)
    assert recording.checkpoint.warning_count == 1


async def test_a_chunk_behind_a_bare_header_is_kept_for_a_retry_if_its_write_fails(
    stream: InputStream, recording: VolumeRecording, tmp_path: Path
) -> None:
    """The header arrives in one chunk with the end of the file before, the audio in the next."""
    second = wav(pcm(100, seed=2), sample_rate=RATE)
    await stream.receive(wav(pcm(100, seed=1), sample_rate=RATE) + second[:44])
    with file_size_limit(80 + 200):
        assert not stream.receive_now(second[44:])
    await stream.receive(second[44:])
    await stream.end()
    assert audio_of(recording, tmp_path) == pcm(100, seed=1) + pcm(100, seed=2)
    assert recording.checkpoint.chunk_count == 2


async def test_nothing_is_recorded_after_the_end(
    stream: InputStream, recording: VolumeRecording
) -> None:
    await stream.receive(pcm(100))
    await stream.end()
    with pytest.raises(SessionCompletedError):
        await stream.receive(pcm(100))
    assert recording.checkpoint.chunk_count == 1


async def test_a_chunk_that_cannot_be_decoded_is_counted_and_reported(
    stream: InputStream, recording: VolumeRecording
) -> None:
    broken = b"RIFF\0\0\0\0WAVEdata\1\0\0\0"
    for count in (1, 2):
        with pytest.raises(DecodeError):
            await stream.receive(broken)
        assert recording.checkpoint.chunk_count == count
    assert recording.checkpoint.warning_count == 2


async def test_a_restored_stream_continues_without_a_gap_or_a_repetition(
    stream: InputStream, recording: VolumeRecording, tmp_path: Path
) -> None:
    pieces = list(cut(FLAC, 5000))
    for piece in pieces[:10]:
        await stream.receive(piece)
    await stream.abort()
    (saved,) = recording.checkpoint.streams
    successor = new_stream(recording, new_writers(recording))
    await successor.restore(saved, recording.read_input(1))
    for piece in pieces[10:]:
        await successor.receive(piece)
    await successor.end()
    assert audio_of(recording, tmp_path) == decode(FLAC, sample_rate=RATE)
    assert recording.checkpoint.chunk_count == len(pieces)


async def test_a_wav_with_a_signature_in_pieces_is_recorded(
    stream: InputStream, recording: VolumeRecording, tmp_path: Path
) -> None:
    data = wav(pcm(500), sample_rate=RATE)
    for piece in (data[:1], data[1:3], data[3:40], data[40:]):
        await stream.receive(piece)
    await stream.end()
    assert audio_of(recording, tmp_path) == pcm(500)
