"""A snapshot of a file on a volume is a valid WAV of its own length."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from storage import wav
from storage.errors import RecordingNotFoundError
from storage.pcm import PcmFormat
from storage.volume.audio import PartialWaveform, VolumeAudio, open_audio
from storage.volume.disk import boot_id
from storage.volume.paths import SessionPaths
from storage.waveform.growing_file import GrowingWaveform
from tests.audio import dat, pcm
from tests.storage.test_conformance import content

FORMAT = PcmFormat(16000, 1)
DATA = pcm(200_000)


@pytest.fixture
def paths(tmp_path: Path) -> SessionPaths:
    """The files of a session whose header has the size of an earlier sync."""
    paths = SessionPaths(tmp_path, UUID(int=1))
    paths.state.mkdir()
    paths.audio.write_bytes(wav.header(FORMAT, 10) + DATA)
    return paths


def snapshot(paths: SessionPaths, pcm_bytes: int) -> VolumeAudio:
    return open_audio(paths, FORMAT, pcm_bytes, PartialWaveform(paths, None))


@pytest.mark.parametrize("pcm_bytes", [0, 2, 300_000, len(DATA)])
async def test_the_header_has_the_length_of_the_snapshot(
    paths: SessionPaths, pcm_bytes: int
) -> None:
    audio = snapshot(paths, pcm_bytes)
    assert await content(audio) == wav.header(FORMAT, pcm_bytes) + DATA[:pcm_bytes]


def test_its_time_is_that_of_the_file_and_its_etag_that_of_its_length(
    paths: SessionPaths,
) -> None:
    audio = snapshot(paths, 100)
    assert audio.modified_at == datetime.fromtimestamp(paths.audio.stat().st_mtime, UTC)
    assert audio.etag == f'"{UUID(int=1)}-180"'
    assert audio.etag != snapshot(paths, 102).etag


async def test_a_file_that_became_shorter_ends_with_an_error(paths: SessionPaths) -> None:
    audio = snapshot(paths, len(DATA))
    paths.audio.write_bytes(wav.header(FORMAT, 10) + DATA[:1000])
    with pytest.raises(EOFError):
        await content(audio)


def test_a_missing_file_is_a_missing_recording(tmp_path: Path) -> None:
    with pytest.raises(RecordingNotFoundError):
        snapshot(SessionPaths(tmp_path, UUID(int=2)), 0)


async def test_a_growing_waveform_is_measured_up_to_the_snapshot(paths: SessionPaths) -> None:
    growing = GrowingWaveform(paths.growing_peaks(boot_id()), FORMAT)
    growing.add(DATA[:10_001])
    source = PartialWaveform(paths, growing)
    audio = open_audio(paths, FORMAT, 50_000, source)
    assert (await audio.peaks()).encode() == dat(DATA[:50_000], sample_rate=16000)
    assert growing.pcm_bytes == 50_000
