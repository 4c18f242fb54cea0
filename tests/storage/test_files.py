"""Atomic replacement of files, and complete writes."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage import files
from storage.errors import StorageUnavailableError
from tests.storage.conftest import file_size_limit


def test_replace_leaves_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.replace(path, b"old")
    files.replace(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_beyond_the_size_limit_raises_an_error(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "a", os.O_RDWR | os.O_CREAT)
    with file_size_limit(1000), pytest.raises(OSError, match="too large"):
        files.write_at(fd, bytes(5000), 0)
    os.close(fd)


def test_an_os_error_becomes_a_storage_error() -> None:
    with pytest.raises(StorageUnavailableError, match="No such file"), files.translated_errors():
        Path("/nowhere/at/all").read_bytes()


def test_several_threads_may_remove_the_same_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    with ThreadPoolExecutor(4) as threads:
        for _ in range(5):
            folder.mkdir()
            for number in range(50):
                (folder / str(number)).touch()
            list(threads.map(files.remove, [folder] * 4))
            assert not folder.exists()
