"""The mark of a clean stop fits the folder and the index that it was made for, and no other."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.local.clean_stop import CleanStop
from storage.local.index import IndexUpdate
from tests.storage.local.folders import index_file, put_folder, write_session

LONG_AGO_NS = time.time_ns() - 3600 * 10**9 + 1


@pytest.fixture
def marked(tmp_path: Path) -> CleanStop:
    write_session(tmp_path)
    file = index_file(tmp_path)
    IndexUpdate(file).finish()
    os.utime(tmp_path, ns=(LONG_AGO_NS, LONG_AGO_NS))
    clean_stop = CleanStop(tmp_path, file)
    clean_stop.save()
    assert clean_stop.is_unchanged()
    return clean_stop


CHANGES: dict[str, Callable[[Path], object]] = {
    "a name is added": lambda folder: (folder / "x").touch(),
    "a session is added": write_session,
    "a row is removed": lambda folder: _execute(folder, "DELETE FROM meta"),
    "the index is flipped": lambda folder: _flip(folder / ".index" / "sessions.sqlite"),
    "the index is removed": lambda folder: (folder / ".index" / "sessions.sqlite").unlink(),
    "the mark is removed": lambda folder: (folder / ".index" / "clean").unlink(),
    "the mark is damaged": lambda folder: (folder / ".index" / "clean").write_bytes(b"\xff{["),
    "the mark is another document": lambda folder: (folder / ".index" / "clean").write_bytes(b"[]"),
    "the mark is a folder": lambda folder: put_folder(folder / ".index" / "clean"),
}


def _execute(folder: Path, statement: str) -> None:
    with index_file(folder).shared() as connection:
        connection.execute(statement)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_after_any_change_a_comparison_is_needed(
    marked: CleanStop, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    change(tmp_path)
    assert not marked.is_unchanged()


def test_reading_the_folder_needs_no_comparison(marked: CleanStop, tmp_path: Path) -> None:
    assert [path.read_bytes() for path in tmp_path.glob("*.json")]
    assert marked.is_unchanged()


def test_a_change_that_could_get_the_time_of_the_mark_leaves_no_mark(tmp_path: Path) -> None:
    IndexUpdate(index_file(tmp_path)).finish()
    clean_stop = CleanStop(tmp_path, index_file(tmp_path))
    just_now_ns = time.time_ns() // 10**9 * 10**9  # as of a file system that knows whole seconds
    future_ns = time.time_ns() + 10**12
    for changed_at_ns in (just_now_ns, future_ns):
        os.utime(tmp_path, ns=(changed_at_ns, changed_at_ns))
        clean_stop.save()
        assert not clean_stop.is_unchanged()


def test_no_mark_is_made_while_a_process_uses_the_index(tmp_path: Path) -> None:
    file = index_file(tmp_path)
    IndexUpdate(file).finish()
    os.utime(tmp_path, ns=(LONG_AGO_NS, LONG_AGO_NS))
    clean_stop = CleanStop(tmp_path, file)
    with file.shared():
        clean_stop.save()
    assert not clean_stop.is_unchanged()
