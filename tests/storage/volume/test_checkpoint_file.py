"""The page with the last written and the last persisted checkpoint."""

from pathlib import Path
from uuid import uuid4

import pytest

from storage.checkpoint import Checkpoint, StreamCheckpoint
from storage.errors import StorageUnavailableError
from storage.volume.checkpoint_file import CheckpointFile, SavedCheckpoints, read_checkpoints
from storage.volume.disk import Disk
from tests.damage import damaged

BOOT = uuid4()
WRITTEN = Checkpoint(3, 64000, (StreamCheckpoint(1, 5000, 64000, b""),))
PERSISTED = Checkpoint(2, 32000)
SAVED = SavedCheckpoints(WRITTEN, PERSISTED, BOOT)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint"
    file = CheckpointFile(path, Disk(boot_id=BOOT))
    file.begin(Checkpoint(), Checkpoint())
    file.write(WRITTEN)
    file.persist(PERSISTED)
    file.close()
    return path


def test_both_checkpoints_and_the_boot_are_read_as_they_were_written(path: Path) -> None:
    assert path.stat().st_size == 4096
    assert read_checkpoints(path) == SAVED


def test_damaged_bytes_are_never_another_checkpoint(path: Path) -> None:
    page = path.read_bytes()
    for start, stop in ((0, 60), (2016, 2036), (2048, 2108)):
        for data in damaged(page[start:stop]):
            path.write_bytes(page[:start] + data + page[stop:])
            found = read_checkpoints(path)
            assert found.written in {WRITTEN, None}
            assert found.persisted in {PERSISTED, None}
            assert found.boot_id in {BOOT, None}


def test_a_file_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    assert read_checkpoints(tmp_path / "missing") == SavedCheckpoints()
    assert read_checkpoints(tmp_path) == SavedCheckpoints()


def test_in_a_reverted_file_the_written_checkpoint_has_no_boot(path: Path) -> None:
    file = CheckpointFile(path, Disk(boot_id=BOOT))
    file.persist(WRITTEN)
    file.revert(WRITTEN, PERSISTED)
    file.close()
    assert read_checkpoints(path) == SavedCheckpoints(WRITTEN, PERSISTED, None)


def test_a_checkpoint_that_is_too_long_is_refused_and_changes_nothing(path: Path) -> None:
    file = CheckpointFile(path, Disk(boot_id=BOOT))
    streams = tuple(StreamCheckpoint(number, 0, 0, bytes(100)) for number in range(20))
    with pytest.raises(StorageUnavailableError, match="a checkpoint of 2"):
        file.write(Checkpoint(4, 64000, streams))
    file.close()
    assert read_checkpoints(path) == SAVED
