"""The SQLite file of the index: whatever happens to it, it is replaced and harms nothing."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.local.index_file import IndexFile, IndexUnavailableError
from tests.storage.local.folders import DAMAGES, REMOVALS


class Watched(IndexFile):
    """An index whose demands for a comparison are counted."""

    def __init__(self, folder: Path) -> None:
        self.demands = 0
        super().__init__(folder, self._count)

    def _count(self) -> None:
        self.demands += 1


@pytest.fixture
def file(tmp_path: Path) -> Watched:
    file = Watched(tmp_path / "index")
    file.ensure()
    file.demands = 0
    return file


def write(file: IndexFile, rows: int = 1) -> None:
    with file.shared() as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO sessions VALUES (randomblob(16), 'a', 2, '', '', NULL)",
            ([] for _ in range(rows)),
        )
        connection.execute("COMMIT")


def count(file: IndexFile) -> int:
    with file.shared() as connection:
        (found,) = connection.execute("SELECT count(*) FROM sessions NOT INDEXED").fetchone()
    return int(found)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_noticed_logged_and_replaced(
    file: Watched, damage: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    write(file, rows=2000)
    damage(file.path)
    for use in (count, write):
        with pytest.raises(IndexUnavailableError):
            use(file)
    assert file.demands > 0
    assert "Replacing the index: " in caplog.text
    file.ensure()
    write(file)
    assert count(file) == 1


@pytest.mark.parametrize("remove", REMOVALS.values(), ids=REMOVALS)
def test_a_missing_file_is_noticed_and_created(
    file: Watched, remove: Callable[[Path], object]
) -> None:
    remove(file.path)
    with pytest.raises(IndexUnavailableError):
        write(file)
    assert file.demands > 0
    file.ensure()
    write(file)


def test_damage_that_no_query_meets_is_found_by_the_check(file: Watched) -> None:
    write(file, rows=2000)
    with file.shared() as connection:
        (session_id,) = connection.execute("SELECT id FROM sessions LIMIT 1 OFFSET 700").fetchone()
    data = bytearray(file.path.read_bytes())
    data[data.rindex(session_id) + 15] ^= 0x01  # of three, the place in one of the indexes
    file.path.write_bytes(data)
    assert count(file) == 2000
    file.ensure()
    assert count(file) == 0


def test_a_sound_file_stays(file: Watched, caplog: pytest.LogCaptureFixture) -> None:
    write(file)
    file.ensure()
    assert count(file) == 1
    assert file.demands == 0
    assert caplog.records == []
    assert not (file.folder / "checked.sqlite").exists()


def test_a_file_whose_creation_was_interrupted_is_replaced(file: Watched) -> None:
    with file.shared() as connection:
        connection.execute("PRAGMA user_version = 0")
    file.ensure()
    write(file)


def test_a_file_in_use_is_not_replaced(tmp_path: Path) -> None:
    file = IndexFile(tmp_path / "index", on_incomplete=lambda: None, wait_seconds=0.05)
    file.ensure()
    write(file)
    other = sqlite3.connect(file.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(IndexUnavailableError, match="locked"):
        write(file)
    other.execute("COMMIT")
    other.close()
    write(file)
    assert count(file) == 2


def test_a_file_that_lacks_a_row_and_cannot_be_removed_is_not_used(
    file: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path) -> None:
        raise PermissionError("read-only")

    with monkeypatch.context() as patch:
        patch.setattr("storage.files.remove", refuse)
        file.discard("a row is missing")
        with pytest.raises(IndexUnavailableError):
            count(file)
    write_count = file.demands
    file.ensure()
    assert (count(file), file.demands) == (0, write_count + 1)


def test_an_interrupted_transaction_is_rolled_back(file: Watched, tmp_path: Path) -> None:
    write(file, rows=100)
    before = count(file)
    with file.shared() as connection:
        connection.execute("PRAGMA cache_size = 1")  # so that pages reach the file early
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO sessions VALUES (randomblob(16), 'b', 2, '', '', NULL)",
            ([] for _ in range(2000)),
        )
        shutil.copytree(file.folder, tmp_path / "killed")
        connection.execute("ROLLBACK")
    killed = Watched(tmp_path / "killed")
    killed.ensure()
    assert count(killed) == before
