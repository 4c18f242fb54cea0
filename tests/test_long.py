"""P7, long: above 4 GiB a recording is RF64, and other readers find its last frame."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
import soundfile

from api.audio.ffmpeg.command import binary
from storage.checkpoint import Checkpoint
from storage.local import LocalStorage
from tests.audio import pcm
from tests.storage.conftest import new_manifest

SECOND = pcm(96000, channels=2)
LAST_SECOND = pcm(96000, channels=2, seed=1)


@pytest.mark.long
@pytest.mark.parametrize(
    ("seconds", "container"), [(11184, "RIFF"), (11186, "RF64"), (24 * 3600, "RF64")]
)
async def test_other_readers_read_a_recording_of_any_length_to_its_last_frame(
    tmp_path: Path, seconds: int, container: str
) -> None:
    storage = LocalStorage(tmp_path, sync_interval_seconds=3600)
    await storage.start()
    recording = await storage.create(new_manifest(sample_rate=96000, channels=2))
    path = Path(storage.location(UUID(recording.manifest.session_id)))
    recording.append(SECOND, Checkpoint(1, len(SECOND)))
    # The audio in between is a hole in the file, which takes no disk space.
    recording.append(b"", Checkpoint(1, (seconds - 1) * len(SECOND)))
    recording.append(LAST_SECOND, Checkpoint(2, seconds * len(SECOND)))
    await recording.flush()
    with path.open("rb") as growing:
        assert growing.read(4) == container.encode()
    manifest = await recording.complete(datetime(2026, 1, 1, tzinfo=UTC))
    await storage.stop()

    assert manifest.container == container
    assert manifest.size_bytes == path.stat().st_size == 80 + seconds * len(SECOND)
    with soundfile.SoundFile(path) as found:
        assert found.frames == manifest.frames == seconds * 96000
        assert found.read(96000, dtype="int16").tobytes() == SECOND
        found.seek(found.frames - 96000)
        assert found.read(dtype="int16").tobytes() == LAST_SECOND
    assert last_second_as_ffmpeg_reads_it(path, seconds) == LAST_SECOND


def last_second_as_ffmpeg_reads_it(path: Path, seconds: int) -> bytes:
    options = ("-loglevel", "error", "-ss", str(seconds - 1), "-i", path, "-f", "s16le", "pipe:1")
    return subprocess.run([binary(), *options], capture_output=True, check=True).stdout
