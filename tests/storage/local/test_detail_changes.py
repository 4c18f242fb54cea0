"""Changes of the details of completed sessions of a folder."""

import asyncio
import fcntl
import os
from pathlib import Path
from uuid import UUID

import pytest

from storage import files
from storage.details import DetailChanges
from storage.errors import RecordingNotFoundError, StorageUnavailableError
from storage.local.deletion import Deletion
from storage.local.detail_changes import DetailsOfCompleted
from storage.local.folder import RecordingsFolder
from storage.local.index import IndexUpdate, SessionIndex
from storage.local.index_rows import RowState, row_of
from tests.storage.local.folders import index_file, rows_of, write_session

TITLED = DetailChanges(title="Interview")


@pytest.fixture
def folder(tmp_path: Path) -> RecordingsFolder:
    IndexUpdate(index_file(tmp_path)).finish()
    return RecordingsFolder(tmp_path)


def details_in(folder: RecordingsFolder, *, wait_seconds: float = 2.0) -> DetailsOfCompleted:
    index = SessionIndex(index_file(folder.path))
    return DetailsOfCompleted(folder, index, Deletion(folder, index), wait_seconds=wait_seconds)


def test_a_change_replaces_the_manifest_and_the_row(folder: RecordingsFolder) -> None:
    manifest = write_session(folder.path)
    session_id = UUID(manifest.session_id)
    changed = details_in(folder).change(session_id, TITLED)
    assert folder.manifest(session_id) == changed
    assert rows_of(folder.path, [manifest.session_id]) == [row_of(changed)]


def test_a_crash_before_the_row_is_final_leaves_a_row_that_is_unsure(
    folder: RecordingsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = write_session(folder.path)
    session_id, replace = UUID(manifest.session_id), files.replace

    def crash(path: Path, data: bytes) -> None:
        replace(path, data)
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        details_in(folder).change(session_id, TITLED)
    assert folder.manifest(session_id).title == "Interview"
    (row,) = rows_of(folder.path, [manifest.session_id])
    assert row is not None
    assert row.state is RowState.OPEN


async def test_several_processes_change_one_detail_each_and_all_changes_count(
    folder: RecordingsFolder,
) -> None:
    session_id = UUID(write_session(folder.path).session_id)
    processes = [details_in(folder) for _ in range(4)]
    for turn in range(5):
        changes = [DetailChanges(title=f"{turn}"), DetailChanges(metadata={"turn": f"{turn}"})]
        await asyncio.gather(
            *(
                asyncio.to_thread(each.change, session_id, changes[number % 2])
                for number, each in enumerate(processes)
            )
        )
        found = folder.manifest(session_id)
        assert (found.title, found.metadata) == (f"{turn}", {"turn": f"{turn}"})


def test_a_change_waits_for_a_process_that_hangs_only_for_a_while(folder: RecordingsFolder) -> None:
    session_id = UUID(write_session(folder.path).session_id)
    lock = os.open(folder.changes_lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(StorageUnavailableError, match="another process"):
        details_in(folder, wait_seconds=0.01).change(session_id, TITLED)
    os.close(lock)
    assert details_in(folder).change(session_id, TITLED).title == "Interview"


def test_a_deletion_at_the_same_time_leaves_no_manifest(
    folder: RecordingsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = write_session(folder.path)
    session_id, replace = UUID(manifest.session_id), files.replace

    def delete_first(path: Path, data: bytes) -> None:
        index = SessionIndex(index_file(folder.path))
        Deletion(folder, index).run(session_id)
        replace(path, data)

    monkeypatch.setattr(files, "replace", delete_first)
    with pytest.raises(RecordingNotFoundError):
        details_in(folder).change(session_id, TITLED)
    assert not list(folder.path.glob(f"{session_id}*"))
    assert rows_of(folder.path, [manifest.session_id]) == [None]


def test_a_session_without_audio_keeps_its_manifest(folder: RecordingsFolder) -> None:
    session_id = UUID(write_session(folder.path).session_id)
    folder.paths(session_id).audio.unlink()
    before = folder.manifest(session_id)
    with pytest.raises(RecordingNotFoundError):
        details_in(folder).change(session_id, TITLED)
    assert folder.manifest(session_id) == before
