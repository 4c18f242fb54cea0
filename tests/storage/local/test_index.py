"""The index has a row for every manifest, in whatever order and place processes end."""

import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from storage import files
from storage import manifest as manifests
from storage.checkpoint import Checkpoint
from storage.filters import Filters
from storage.local.comparison import compare
from storage.local.folder import RecordingsFolder
from storage.local.index import IndexUpdate, SessionIndex
from storage.local.index_file import IndexFile, IndexUnavailableError
from storage.local.index_rows import RowState, row_of
from tests.storage.conftest import new_manifest
from tests.storage.local.folders import (
    index_file,
    is_complete,
    listed,
    rows_of,
    running,
    write_session,
)
from tests.storage.test_conformance import LATER

# A process that creates, completes and deletes a session, and dies at the point of its argument.
DYING = """
import asyncio, os, sys
from datetime import UTC, datetime
from pathlib import Path
from storage import files
from storage.local.index import SessionIndex
from tests.storage.local.folders import running
from tests.storage.conftest import new_manifest

folder, point = Path(sys.argv[1]), sys.argv[2]

def die(*_):
    os._exit(9)

def replace(path, data, replace=files.replace):
    name = "created" if path.suffix == ".json" and b'"active"' in data else "completed"
    is_manifest = path.suffix == ".json"
    if is_manifest and point == f"before {name}":
        die()
    replace(path, data)
    if is_manifest and point == f"after {name}":
        die()

files.replace = replace
if point == "before removed row":
    SessionIndex.remove = die

async def main():
    async with running(folder) as storage:
        recording = await storage.create(new_manifest(user_id="Zoë"))
        manifest = await recording.complete(datetime.now(UTC))
        await storage.delete(manifest)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    "point",
    [
        "before created",
        "after created",
        "before completed",
        "after completed",
        "before removed row",
    ],
)
async def test_a_process_that_dies_leaves_a_row_for_every_manifest_and_the_next_one_is_right(
    tmp_path: Path, point: str
) -> None:
    other = write_session(tmp_path)
    died = subprocess.run(
        [sys.executable, "-c", DYING, str(tmp_path), point], check=False, timeout=60
    )
    assert died.returncode == 9
    session_ids = [str(each) for each in RecordingsFolder(tmp_path).sessions()]
    assert len(session_ids) == (1 if point in {"before created", "before removed row"} else 2)
    assert is_complete(tmp_path)
    assert None not in rows_of(tmp_path, session_ids)
    async with running(tmp_path) as storage:
        for user_id in (None, "Zoë"):
            found = await listed(storage, user_id=user_id)
            assert found == [
                each for each in session_ids if each != other.session_id or not user_id
            ]
        with index_file(tmp_path).shared() as connection:
            (count,) = connection.execute("SELECT count(*) FROM sessions").fetchone()
        assert count == len(session_ids)


CREATING = """
import sys
from pathlib import Path
from uuid import UUID
from storage import files
from storage import manifest as manifests
from storage.local.folder import RecordingsFolder
from storage.local.index import SessionIndex
from storage.local.index_rows import row_of
from tests.storage.conftest import new_manifest
from tests.storage.local.folders import index_file

folder, stop = RecordingsFolder(Path(sys.argv[1])), Path(sys.argv[2])
index = SessionIndex(index_file(folder.path))
while not stop.exists():
    manifest = new_manifest()
    with index.adding(row_of(manifest)):
        files.replace(folder.paths(UUID(manifest.session_id)).manifest, manifests.encode(manifest))
    print(manifest.session_id)
"""


def test_while_processes_create_sessions_an_index_that_is_replaced_misses_none(
    tmp_path: Path,
) -> None:
    stop = tmp_path / "stop"
    folder, file = RecordingsFolder(tmp_path / "recordings"), index_file(tmp_path / "recordings")
    folder.path.mkdir()
    command = [sys.executable, "-c", CREATING, str(folder.path), str(stop)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    rounds = 0
    try:
        while rounds < 5:
            file.discard("a test")
            update = IndexUpdate(file)
            for _ in compare(folder, update):
                pass
            assert update.finish()
            session_ids = [str(each) for each in folder.sessions()]
            assert None not in rows_of(folder.path, session_ids)
            rounds += len(session_ids) > 0
    finally:
        stop.touch()
        created = [each.communicate(timeout=60)[0].splitlines() for each in processes]
    assert [each.returncode for each in processes] == [0, 0]
    session_ids = [str(each) for each in folder.sessions()]
    assert sorted(session_ids) == sorted(created[0] + created[1])


def test_a_session_is_created_whatever_the_index_does(tmp_path: Path) -> None:
    file = index_file(tmp_path)
    index, manifest = SessionIndex(file), new_manifest()
    path = RecordingsFolder(tmp_path).paths(UUID(manifest.session_id)).manifest
    for damage in (file.make_folder, file.path.mkdir, file.lock.exclusive):
        damage()
        with index.adding(row_of(manifest)):
            files.replace(path, manifests.encode(manifest))
        assert path.exists()
    (tmp_path / ".index" / "gate").unlink()
    (tmp_path / ".index" / "gate").symlink_to("missing/gate")
    with index.adding(row_of(manifest)):
        pass


def test_a_row_that_could_not_be_written_makes_lists_do_without_the_index(tmp_path: Path) -> None:
    demands: list[None] = []
    file = IndexFile(tmp_path / ".index", lambda: demands.append(None), wait_seconds=0.05)
    assert IndexUpdate(file).finish()
    index = SessionIndex(file)
    with file.shared() as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with index.adding(row_of(new_manifest())):
            assert index.page(Filters(), None, 10) is None
        connection.execute("COMMIT")
    assert index.page(Filters(), None, 10) is None
    assert demands


def test_a_session_that_is_created_beside_a_suspended_process_is_found_later(
    tmp_path: Path,
) -> None:
    folder, manifest = RecordingsFolder(tmp_path), new_manifest()
    suspended = index_file(tmp_path)
    assert IndexUpdate(suspended).finish()
    file = IndexFile(tmp_path / ".index", lambda: None, wait_seconds=0.05)
    with suspended.lock.exclusive(), SessionIndex(file).adding(row_of(manifest)):
        path = folder.paths(UUID(manifest.session_id)).manifest
        files.replace(path, manifests.encode(manifest))
    assert not SessionIndex(file).is_complete()
    update = IndexUpdate(file)
    assert sum(each.added for each in compare(folder, update)) == 1


def test_an_index_whose_lock_was_removed_while_a_session_was_created_is_replaced(
    tmp_path: Path,
) -> None:
    file = index_file(tmp_path)
    assert IndexUpdate(file).finish()
    index = SessionIndex(file)
    with index.adding(row_of(new_manifest())):
        for path in (tmp_path / ".index").iterdir():
            path.unlink()
        assert IndexUpdate(file).finish()
        assert index.is_complete()
    assert not index.is_complete()


def test_a_row_without_a_manifest_stays_while_its_session_is_being_created(tmp_path: Path) -> None:
    file, row = index_file(tmp_path), row_of(new_manifest())
    assert IndexUpdate(file).finish()
    index = SessionIndex(file)
    with index.adding(row):
        index.remove_stale([row.session_id], lambda _: False)
        assert index.page(Filters(), None, 10) == [(row.session_id, RowState.OPEN)]
    index.remove_stale([row.session_id], lambda _: True)
    assert index.page(Filters(), None, 10) == [(row.session_id, RowState.OPEN)]
    index.remove_stale([row.session_id], lambda _: False)
    assert index.page(Filters(), None, 10) == []


def test_rows_are_replaced_and_removed(tmp_path: Path) -> None:
    file, manifest = index_file(tmp_path), new_manifest(user_id="a")
    assert IndexUpdate(file).finish()
    index, session_id = SessionIndex(file), UUID(manifest.session_id)
    with index.adding(row_of(manifest)):
        pass
    index.put([row_of(manifest.completed(Checkpoint(), LATER))])
    assert index.page(Filters(user_id="a"), None, 10) == [(session_id, RowState.CLEAN)]
    assert index.page(Filters(status="active"), None, 10) == []
    index.remove([session_id])
    assert index.page(Filters(), None, 10) == []


def test_lists_use_the_index_only_after_a_comparison_that_nothing_overtook(tmp_path: Path) -> None:
    file = index_file(tmp_path)
    index, first = SessionIndex(file), IndexUpdate(file)
    assert index.page(Filters(), None, 10) is None
    second = IndexUpdate(file)
    assert not first.finish()
    assert second.finish()
    assert index.page(Filters(), None, 10) == []
    index.distrust()
    assert not index.is_complete()
    assert not second.finish()
    file.discard("a test")
    with pytest.raises(IndexUnavailableError):
        second.finish()
