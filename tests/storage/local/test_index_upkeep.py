"""The index is completed in the background, after any damage and change, while lists are right."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from storage import threads
from storage.errors import StorageError
from storage.local import LocalStorage
from tests.eventually import eventually
from tests.storage.conftest import new_manifest
from tests.storage.local.folders import (
    DAMAGES,
    REMOVALS,
    is_complete,
    listed,
    put_folder,
    rows_of,
    running,
    write_session,
)
from tests.storage.test_conformance import LATER

LONG_AGO_SECONDS = 1_700_000_000.5


async def test_after_a_clean_stop_the_index_is_trusted_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    manifest = write_session(tmp_path)
    for _ in range(3):
        async with running(tmp_path) as storage:
            assert await listed(storage) == [manifest.session_id]
    assert caplog.text.count("Index compared with the folder: ") == 1


async def test_files_added_and_removed_while_the_service_was_stopped_are_found(
    tmp_path: Path,
) -> None:
    removed = write_session(tmp_path)
    async with running(tmp_path) as storage:
        assert await listed(storage) == [removed.session_id]
    for path in tmp_path.glob(f"{removed.session_id}.*"):
        path.unlink()
    added = write_session(tmp_path, user_id="Zoë")
    storage = LocalStorage(tmp_path)
    await storage.start()
    assert await listed(storage, user_id="Zoë") == [added.session_id]  # not compared yet
    await storage.upkeep.completed.wait()
    assert await listed(storage) == [added.session_id]
    await storage.stop()
    assert rows_of(tmp_path, [removed.session_id]) == [None]


async def test_a_comparison_that_a_stop_interrupted_is_repeated(tmp_path: Path) -> None:
    manifest = write_session(tmp_path)
    for _ in range(2):
        storage = LocalStorage(tmp_path)
        await storage.start()
        await storage.stop()
    async with running(tmp_path) as storage:
        assert await listed(storage) == [manifest.session_id]


EVERY_DAMAGE = DAMAGES | REMOVALS


@pytest.mark.parametrize("damage", EVERY_DAMAGE.values(), ids=EVERY_DAMAGE)
@pytest.mark.parametrize("when", ["running", "stopped"])
async def test_a_damaged_index_stops_nothing_and_is_rebuilt_while_lists_are_right(
    tmp_path: Path, damage: Callable[[Path], object], when: str
) -> None:
    file = tmp_path / ".index" / "sessions.sqlite"
    ids = [write_session(tmp_path, user_id="Zoë").session_id for _ in range(20)]
    storage = LocalStorage(tmp_path)
    await storage.start()
    await storage.upkeep.completed.wait()
    if when == "stopped":
        await storage.stop()
    damage(file)
    if when == "stopped":
        storage = LocalStorage(tmp_path)
        await storage.start()
    recording = await storage.create(new_manifest(user_id="Zoë"))
    ids.append(recording.manifest.session_id)
    assert await listed(storage, user_id="Zoë") == ids[::-1]
    await recording.complete(LATER)
    await storage.delete(await storage.manifest(UUID(ids.pop(0))))
    assert await listed(storage) == ids[::-1]
    assert await listed(storage, status="active") == []
    await eventually(lambda: file.is_file() and is_complete(tmp_path), awaiting="the index")
    assert await listed(storage, user_id="Zoë") == ids[::-1]
    assert None not in rows_of(tmp_path, ids)
    await storage.stop()


async def test_leftovers_of_interrupted_writes_are_removed_and_writes_under_way_are_not(
    tmp_path: Path,
) -> None:
    old, of_a_folder = tmp_path / ".x.json.tmp", tmp_path / ".y.tmp"
    old.touch()
    put_folder(of_a_folder)
    for path in (old, of_a_folder):
        os.utime(path, (LONG_AGO_SECONDS, LONG_AGO_SECONDS))
    storage = LocalStorage(tmp_path)
    await storage.start()
    new = tmp_path / ".z.json.tmp"
    new.touch()
    await storage.upkeep.completed.wait()
    await eventually(lambda: not old.exists(), awaiting="the removal")
    assert new.exists()
    assert of_a_folder.exists()
    await storage.stop()


async def test_a_folder_that_takes_no_index_is_listed_by_its_names_until_it_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".index").mkdir()
    (tmp_path / ".index" / "gate").symlink_to("missing/gate")
    storage = LocalStorage(tmp_path)
    await storage.start()
    recording = await storage.create(new_manifest())
    session_id = recording.manifest.session_id
    assert await listed(storage) == [session_id]
    await recording.complete(LATER)
    await eventually(lambda: "Failed to complete the index" in caplog.text, awaiting="the failure")
    (tmp_path / ".index" / "gate").unlink()
    await storage.upkeep.completed.wait()
    assert await listed(storage) == [session_id]
    assert rows_of(tmp_path, [session_id]) != [None]
    await storage.stop()


async def test_the_comparison_takes_no_thread_of_other_work(tmp_path: Path) -> None:
    """A comparison that hangs delays no list, and no session that is created or read."""
    storage = LocalStorage(tmp_path)
    release = asyncio.Event()
    loop = asyncio.get_running_loop()
    hanging = asyncio.create_task(
        threads.upkeep.run(
            lambda: asyncio.run_coroutine_threadsafe(release.wait(), loop).result(30)
        )
    )
    await storage.start()
    recording = await storage.create(new_manifest())
    assert await listed(storage) == [recording.manifest.session_id]
    await recording.complete(LATER)
    assert not hanging.done()
    release.set()
    await hanging
    await storage.upkeep.completed.wait()
    await storage.stop()


async def test_an_index_of_another_process_that_is_replaced_is_completed_again(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as storage:
        recording = await storage.create(new_manifest())
        (tmp_path / ".index" / "sessions.sqlite").unlink()
        assert await listed(storage) == [recording.manifest.session_id]
        await eventually(
            lambda: (tmp_path / ".index" / "sessions.sqlite").exists() and is_complete(tmp_path),
            awaiting="the index",
        )
        recording.abandon()


async def test_a_start_that_fails_leaves_nothing_running(tmp_path: Path) -> None:
    async with running(tmp_path):
        second = LocalStorage(tmp_path)
        with pytest.raises(StorageError):
            await second.start()
        await second.stop()
