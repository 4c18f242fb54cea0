"""A change of a watched file is seen, whatever stays equal."""

import os
from pathlib import Path

import pytest

from api.access.watched_file import WatchedFile


def test_the_content_is_returned_once_per_change(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_bytes(b"one")
    file = WatchedFile(path)
    assert file.changed() == b"one"
    assert file.changed() is None
    path.write_bytes(b"three")
    assert file.changed() == b"three"


def test_a_change_that_keeps_size_time_and_inode_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_bytes(b"one")
    before = path.stat()
    file = WatchedFile(path)
    file.changed()
    path.write_bytes(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert file.changed() == b"two"


def test_a_change_of_a_mounted_secret_of_kubernetes_is_seen(tmp_path: Path) -> None:
    """Kubernetes replaces a link to the folder that has the files; the path stays a link."""
    for name in ("..first", "..second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "keys").write_bytes(name.encode())
    (tmp_path / "..data").symlink_to("..first")
    (tmp_path / "keys").symlink_to("..data/keys")
    file = WatchedFile(tmp_path / "keys")
    assert file.changed() == b"..first"
    (tmp_path / "..data_tmp").symlink_to("..second")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    assert file.changed() == b"..second"


def test_a_forgotten_content_counts_as_changed(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_bytes(b"one")
    file = WatchedFile(path)
    file.changed()
    file.forget()
    assert file.changed() == b"one"


def test_a_pipe_is_read_once() -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, b"one")
        os.close(writing)
        file = WatchedFile(Path(f"/dev/fd/{reading}"))
        assert file.changed() == b"one"
        assert file.changed() is None
    finally:
        os.close(reading)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        WatchedFile(tmp_path / "keys").changed()
