"""A recording continues at the last checkpoint that its files hold."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest

from storage import wav
from storage.checkpoint import Checkpoint, StreamCheckpoint
from storage.volume.checkpoint_file import CheckpointFile
from storage.volume.disk import Disk
from storage.volume.paths import SessionPaths
from storage.volume.recovery import Recovered, recover
from storage.warning import (
    CHECKPOINT_DAMAGED,
    KEPT_INPUT_LOST,
    PERSISTED_AUDIO_LOST,
    UNPERSISTED_AUDIO_LOST,
)
from tests.storage.conftest import new_manifest

BOOT = uuid4()
MANIFEST = new_manifest()
STREAM = StreamCheckpoint(1, 300, 0, b"")
PERSISTED = Checkpoint(2, 200, (STREAM,))
WRITTEN = Checkpoint(3, 400, (STREAM,))


@pytest.fixture
def paths(tmp_path: Path) -> SessionPaths:
    """The files of a recording with 400 bytes of PCM, of which 200 are persisted."""
    paths = SessionPaths(tmp_path, UUID(MANIFEST.session_id))
    paths.state.mkdir()
    paths.audio.write_bytes(bytes(wav.HEADER_BYTES + WRITTEN.pcm_bytes))
    paths.input(STREAM.number).write_bytes(bytes(STREAM.kept_bytes))
    file = CheckpointFile(paths.checkpoint, Disk(boot_id=BOOT))
    file.begin(WRITTEN, PERSISTED)
    file.close()
    return paths


def summary(found: Recovered) -> tuple[int, int, list[str], bool]:
    checkpoint = found.checkpoint
    codes = [warning.code for warning in checkpoint.warnings]
    return checkpoint.chunk_count, checkpoint.pcm_bytes, codes, found.is_whole


def test_in_the_same_boot_the_last_checkpoint_counts(paths: SessionPaths) -> None:
    assert recover(paths, MANIFEST, BOOT) == Recovered(WRITTEN, PERSISTED)


def test_in_another_boot_the_persisted_checkpoint_counts_with_a_warning(
    paths: SessionPaths,
) -> None:
    found = recover(paths, MANIFEST, uuid4())
    assert summary(found) == (2, 200, [UNPERSISTED_AUDIO_LOST], True)
    assert found.checkpoint == found.persisted


def test_files_that_lack_what_was_persisted_are_not_whole(paths: SessionPaths) -> None:
    paths.audio.write_bytes(bytes(wav.HEADER_BYTES + 100))
    assert summary(recover(paths, MANIFEST, BOOT)) == (2, 100, [PERSISTED_AUDIO_LOST], False)
    paths.input(STREAM.number).unlink()
    found = recover(paths, MANIFEST, BOOT)
    assert summary(found) == (2, 100, [PERSISTED_AUDIO_LOST, KEPT_INPUT_LOST], False)
    assert found.checkpoint.streams == ()


def test_without_a_checkpoint_all_audio_is_kept_with_a_warning(paths: SessionPaths) -> None:
    paths.checkpoint.write_bytes(bytes(4096))
    assert summary(recover(paths, MANIFEST, BOOT)) == (0, 400, [CHECKPOINT_DAMAGED], False)
    paths.audio.unlink()
    assert summary(recover(paths, MANIFEST, BOOT)) == (0, 0, [], False)


def test_reading_changes_no_file(paths: SessionPaths) -> None:
    before = {path: path.read_bytes() for path in paths.folder.rglob("*") if path.is_file()}
    recover(paths, MANIFEST, uuid4())
    after = {path: path.read_bytes() for path in paths.folder.rglob("*") if path.is_file()}
    assert after == before
