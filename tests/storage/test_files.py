"""Whole or not at all."""

import os
from pathlib import Path

import pytest

from storage import files
from storage.errors import StorageUnavailableError
from tests.storage.conftest import file_size_limit


def test_replace_leaves_nothing_but_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.replace(path, b"old")
    files.replace(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_does_not_fit_says_so(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "a", os.O_RDWR | os.O_CREAT)
    with file_size_limit(1000), pytest.raises(OSError, match="too large"):
        files.write_at(fd, bytes(5000), 0)
    os.close(fd)


def test_an_error_of_the_system_becomes_one_of_the_storage() -> None:
    with pytest.raises(StorageUnavailableError, match="No such file"), files.translated_errors():
        Path("/nowhere/at/all").read_bytes()
