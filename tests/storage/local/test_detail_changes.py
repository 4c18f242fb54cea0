"""Changes of the details of completed sessions of a folder."""

import asyncio
import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest

from storage import files
from storage.details import DetailChanges
from storage.errors import RecordingNotFoundError, SessionHeldError
from storage.local.changes_lock import ChangesLock
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


def details_in(folder: RecordingsFolder) -> DetailsOfCompleted:
    index = SessionIndex(index_file(folder.path))
    return DetailsOfCompleted(folder, index, ChangesLock(folder.changes_lock))


def deletion_in(folder: RecordingsFolder) -> Deletion:
    index = SessionIndex(index_file(folder.path))
    return Deletion(folder, index, ChangesLock(folder.changes_lock))


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


def test_a_deletion_at_the_same_time_waits_and_leaves_nothing(
    folder: RecordingsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = write_session(folder.path)
    session_id, replace = UUID(manifest.session_id), files.replace
    deleting = threading.Thread(target=deletion_in(folder).run, args=(session_id,))

    def delete_meanwhile(path: Path, data: bytes) -> None:
        deleting.start()
        replace(path, data)

    monkeypatch.setattr(files, "replace", delete_meanwhile)
    assert details_in(folder).change(session_id, TITLED).title == "Interview"
    deleting.join()
    assert not list(folder.path.glob(f"{session_id}*"))
    assert rows_of(folder.path, [manifest.session_id]) == [None]


@pytest.mark.parametrize("is_hold_first", [True, False])
def test_a_hold_at_the_same_time_as_a_deletion_keeps_all_or_is_refused(
    folder: RecordingsFolder, *, is_hold_first: bool
) -> None:
    """Of each pair that starts together one wins, whichever that is."""
    with ThreadPoolExecutor(2) as pool:
        for _ in range(10):
            session_id = UUID(write_session(folder.path).session_id)
            hold = functools.partial(
                details_in(folder).change, session_id, DetailChanges(hold=True)
            )
            delete = functools.partial(deletion_in(folder).run, session_id)
            if is_hold_first:
                held, deleted = [pool.submit(hold), pool.submit(delete)]
            else:
                deleted, held = [pool.submit(delete), pool.submit(hold)]
            if held.exception() is None:
                assert isinstance(deleted.exception(), SessionHeldError)
                assert folder.manifest(session_id).hold
                assert folder.paths(session_id).audio.exists()
            else:
                assert isinstance(held.exception(), RecordingNotFoundError)
                assert deleted.exception() is None
                assert not folder.has_manifest(session_id)


def test_a_session_without_audio_keeps_its_manifest(folder: RecordingsFolder) -> None:
    session_id = UUID(write_session(folder.path).session_id)
    folder.paths(session_id).audio.unlink()
    before = folder.manifest(session_id)
    with pytest.raises(RecordingNotFoundError):
        details_in(folder).change(session_id, TITLED)
    assert folder.manifest(session_id) == before
