"""Atomic replacement of files, and complete writes."""

import contextlib
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


def test_a_range_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(range(100)))
    assert files.read_range(path, 10, 5) == bytes(range(10, 15))
    assert files.read_range(path, 100, 0) == b""
    with pytest.raises(OSError, match="shorter than it should be"):
        files.read_range(path, 90, 11)


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


def test_a_folder_is_removed_although_others_write_into_it(tmp_path: Path) -> None:
    folder = tmp_path / "folder"

    def write(_: int) -> None:
        for number in range(200):
            with contextlib.suppress(FileNotFoundError):
                (folder / str(number)).touch()

    with ThreadPoolExecutor(2) as threads:
        for _ in range(20):
            folder.mkdir()
            writing = threads.map(write, range(2))
            files.remove(folder)
            list(writing)
            assert not folder.exists()
