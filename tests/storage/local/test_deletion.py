"""Deletions in a folder: one session that fails keeps no other, and the index follows."""

from pathlib import Path
from uuid import UUID

import pytest

from storage import files
from storage.errors import StorageUnavailableError
from storage.local.changes_lock import ChangesLock
from storage.local.deletion import Deletion
from storage.local.folder import RecordingsFolder
from storage.local.index import IndexUpdate, SessionIndex
from storage.local.index_rows import row_of
from tests.storage.local.folders import index_file, rows_of, write_session


def test_a_session_that_cannot_be_deleted_keeps_its_row_and_no_other_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    IndexUpdate(index_file(tmp_path)).finish()
    index, folder = SessionIndex(index_file(tmp_path)), RecordingsFolder(tmp_path)
    made = [write_session(tmp_path) for _ in range(3)]
    index.put(row_of(each) for each in made)
    ids = [UUID(each.session_id) for each in made]
    refused = folder.paths(ids[1]).audio
    remove = files.remove

    def refuse_one(path: Path) -> None:
        if path == refused:
            raise OSError("the disk cannot be written")
        remove(path)

    monkeypatch.setattr(files, "remove", refuse_one)
    failed = Deletion(folder, index, ChangesLock(folder.changes_lock)).run_each(ids)
    assert list(failed) == [ids[1]]
    assert isinstance(failed[ids[1]], StorageUnavailableError)
    assert [each is not None for each in rows_of(tmp_path, map(str, ids))] == [False, True, False]
    assert {path.stem for path in tmp_path.glob("*.json")} == {str(ids[1])}
    with pytest.raises(StorageUnavailableError):
        Deletion(folder, index, ChangesLock(folder.changes_lock)).run(ids[1])
    monkeypatch.undo()
    Deletion(folder, index, ChangesLock(folder.changes_lock)).run(ids[1])
    assert rows_of(tmp_path, map(str, ids)) == [None] * 3
    assert not list(tmp_path.glob("*.json"))
