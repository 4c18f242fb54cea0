"""Whole or not at all."""

import os
import resource
import signal
from pathlib import Path

import pytest

from storage.base import StorageUnavailableError
from storage.local import files


def test_replace_leaves_nothing_but_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.replace(path, b"old")
    files.replace(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_does_not_fit_says_so(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "a", os.O_RDWR | os.O_CREAT)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            files.write_at(fd, bytes(5000), 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
        os.close(fd)


def test_an_error_of_the_system_becomes_one_of_the_storage() -> None:
    with pytest.raises(StorageUnavailableError, match="No such file"), files.translated_errors():
        Path("/nowhere/at/all").read_bytes()
