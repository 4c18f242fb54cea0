"""A folder belongs to one service."""

import os
from pathlib import Path

import pytest

from storage.errors import StorageUnavailableError
from storage.service_lock import lock_folder


def test_a_second_service_cannot_lock_the_folder_until_the_first_has_ended(tmp_path: Path) -> None:
    first = lock_folder(tmp_path / "new")
    inherited = os.dup(first)  # as a worker has it
    os.close(first)
    with pytest.raises(StorageUnavailableError, match="one folder has one writer"):
        lock_folder(tmp_path / "new")
    os.close(inherited)
    os.close(lock_folder(tmp_path / "new"))


def test_a_folder_that_cannot_be_created_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailableError):
        lock_folder(tmp_path / "file")
