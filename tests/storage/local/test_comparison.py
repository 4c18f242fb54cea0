"""The comparison makes the index fit the folder, in short slices."""

from pathlib import Path
from uuid import UUID

import pytest

from storage import manifest as manifests
from storage.checkpoint import Checkpoint
from storage.local.comparison import Changes, compare
from storage.local.folder import RecordingsFolder
from storage.local.index import IndexUpdate, SessionIndex
from storage.local.index_file import IndexUnavailableError
from storage.local.index_rows import Row, RowState, row_of
from storage.manifest import Manifest
from tests.storage.conftest import new_manifest
from tests.storage.local.folders import index_file, rows_of, write_session
from tests.storage.test_conformance import LATER


def compared(folder: Path, *, reads_all: bool = False) -> Changes:
    update, total = IndexUpdate(index_file(folder)), Changes()
    for changes in compare(RecordingsFolder(folder), update, reads_all=reads_all):
        total += changes
    assert update.finish()
    return total


def overwrite(folder: Path, manifest: Manifest) -> None:
    path = RecordingsFolder(folder).paths(UUID(manifest.session_id)).manifest
    path.write_bytes(manifests.encode(manifest))


def test_files_that_were_added_and_removed_by_hand_are_found(tmp_path: Path) -> None:
    kept, removed = write_session(tmp_path), write_session(tmp_path)
    active = write_session(tmp_path, completed=False, user_id="Zoë")
    assert compared(tmp_path) == Changes(added=3)
    assert compared(tmp_path) == Changes()
    (tmp_path / f"{removed.session_id}.json").unlink()
    added = write_session(tmp_path)
    assert compared(tmp_path) == Changes(added=1, removed=1)
    expected = [row_of(kept), row_of(active), row_of(added), None]
    ids = [each.session_id for each in (kept, active, added, removed)]
    assert rows_of(tmp_path, ids) == expected


def test_only_rows_that_may_be_active_are_read_unless_all_are_asked_for(tmp_path: Path) -> None:
    completed = write_session(tmp_path, user_id="a")
    active = write_session(tmp_path, completed=False)
    compared(tmp_path)
    overwrite(tmp_path, manifests.decode(
        manifests.encode(completed).replace(b'"a"', b'"b"'), UUID(completed.session_id)
    ))  # fmt: skip
    overwrite(tmp_path, active.completed(Checkpoint(), LATER))
    assert compared(tmp_path) == Changes(corrected=1)
    assert compared(tmp_path, reads_all=True) == Changes(corrected=1)
    (row,) = rows_of(tmp_path, [completed.session_id])
    assert row is not None
    assert row.user_id == "b"


def test_a_session_with_a_damaged_manifest_gets_a_row_and_keeps_the_one_it_has(
    tmp_path: Path,
) -> None:
    known, unknown = write_session(tmp_path, user_id="a"), new_manifest()
    compared(tmp_path)
    for each in (known, unknown):
        (tmp_path / f"{each.session_id}.json").write_bytes(b"{")
    assert compared(tmp_path, reads_all=True) == Changes(added=1)
    ids = [known.session_id, unknown.session_id]
    unreadable = Row(UUID(unknown.session_id), None, RowState.OPEN)
    assert rows_of(tmp_path, ids) == [row_of(known), unreadable]


def test_other_names_are_handed_on(tmp_path: Path) -> None:
    manifest = write_session(tmp_path)
    (tmp_path / ".x.tmp").touch()
    names: list[str] = []
    update = IndexUpdate(index_file(tmp_path))
    assert all(compare(RecordingsFolder(tmp_path), update, other_name=names.append))
    assert set(names) == {".x.tmp", ".index", f"{manifest.session_id}.wav"}


def test_a_session_that_is_created_or_deleted_meanwhile_is_neither_missed_nor_kept(
    tmp_path: Path,
) -> None:
    for _ in range(5):
        write_session(tmp_path)
    file = index_file(tmp_path)
    index, update, created = SessionIndex(file), IndexUpdate(file), new_manifest()
    slices = compare(RecordingsFolder(tmp_path), update)
    next(slices)
    with index.adding(row_of(created)):
        overwrite(tmp_path, created)
    deleted = max(tmp_path.glob("*.json"), key=lambda path: path.stem != created.session_id)
    deleted.unlink()
    for _ in slices:
        pass
    assert update.finish()
    ids = [path.stem for path in tmp_path.glob("*.json")]
    assert created.session_id in ids
    assert None not in rows_of(tmp_path, ids)
    assert rows_of(tmp_path, [deleted.stem]) == [None]


def test_a_comparison_ends_when_the_index_is_replaced(tmp_path: Path) -> None:
    write_session(tmp_path)
    file = index_file(tmp_path)
    slices = compare(RecordingsFolder(tmp_path), IndexUpdate(file))
    file.discard("a test")
    with pytest.raises(IndexUnavailableError):
        list(slices)


def test_many_sessions_take_many_slices(tmp_path: Path) -> None:
    for _ in range(250):
        path = RecordingsFolder(tmp_path).paths(UUID((manifest := new_manifest()).session_id))
        path.manifest.write_bytes(manifests.encode(manifest))
    update = IndexUpdate(index_file(tmp_path))
    changes = list(compare(RecordingsFolder(tmp_path), update))
    assert sum(each.added for each in changes) == 250
    assert max(each.added for each in changes) == 100
