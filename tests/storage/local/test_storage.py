"""Local storage: one writer per folder, and no stale files."""

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from storage.base import Progress, Storage
from storage.checkpoint import Checkpoint
from storage.errors import RecordingNotFoundError, StorageUnavailableError
from storage.local import LocalStorage
from storage.local.folder import RecordingsFolder
from storage.local.index_rows import RowState, row_of
from storage.worker import Worker
from tests.audio import pcm
from tests.descriptors import few_descriptors, open_descriptors
from tests.storage.conftest import file_size_limit, new_manifest
from tests.storage.local.folders import rows_of, running

LATER = datetime(2026, 1, 2, tzinfo=UTC)

_: Storage = LocalStorage(Path())


async def test_a_second_process_on_the_folder_is_refused(tmp_path: Path) -> None:
    first, second = LocalStorage(tmp_path), LocalStorage(tmp_path)
    await first.start()
    with pytest.raises(StorageUnavailableError, match="in use by another process"):
        await second.start()
    await first.stop()
    await second.stop()


async def test_a_stopped_storage_releases_its_folder(tmp_path: Path) -> None:
    for _ in range(2):
        storage = LocalStorage(tmp_path)
        await storage.start()
        await storage.stop()


async def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageUnavailableError, match="file"):
        await LocalStorage(tmp_path / "file" / "folder").start()


async def test_workers_remove_what_one_that_ended_has_left_of_a_completed_session(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as alone:
        completed, active = await alone.create(new_manifest()), await alone.create(new_manifest())
        await completed.complete(LATER)
        await active.release()
    session_id = UUID(completed.manifest.session_id)
    state = RecordingsFolder(tmp_path).state(session_id)
    state.mkdir()
    state.joinpath("owner").touch()
    (tmp_path / f"{session_id}.state").symlink_to(Path(state.parent.name) / state.name)
    (tmp_path / ".workers").mkdir()
    worker = LocalStorage(tmp_path, worker=Worker(0, 2))
    await worker.start()
    assert await worker.abandoned() == [UUID(active.manifest.session_id)]
    assert names(tmp_path / ".active") == {f"{active.manifest.session_id}.state"}
    assert not (tmp_path / f"{session_id}.state").is_symlink()
    await worker.stop()


async def test_a_completed_session_consists_of_five_files(
    tmp_path: Path,
) -> None:
    storage = LocalStorage(tmp_path)
    await storage.start()
    recording = await storage.create(new_manifest())
    recording.keep_input(1, 0, b"input")
    recording.append(pcm(10), Checkpoint(1, 20))
    manifest = await recording.complete(LATER)
    session_id = recording.manifest.session_id
    left = {f"{session_id}.{kind}" for kind in ("wav", "json", "dat", "sums", "times")}
    assert names(tmp_path) == left
    await storage.delete(manifest)
    assert names(tmp_path) == {".changes.lock"}
    await storage.stop()


async def test_a_completed_session_has_its_final_row_in_the_index(tmp_path: Path) -> None:
    async with running(tmp_path) as storage:
        recording = await storage.create(new_manifest(user_id="Zoë"))
        (row,) = rows_of(tmp_path, [recording.manifest.session_id])
        assert row == row_of(recording.manifest)
        manifest = await recording.complete(LATER)
        (row,) = rows_of(tmp_path, [recording.manifest.session_id])
        assert row == row_of(manifest)
        assert row.state is RowState.CLEAN


async def test_files_of_a_session_whose_creation_crashed_are_removed(tmp_path: Path) -> None:
    session_id = new_manifest().session_id
    (tmp_path / ".active" / f"{session_id}.state").mkdir(parents=True)
    (tmp_path / f"{session_id}.wav").write_bytes(b"RIFF")
    await started_and_stopped(tmp_path)
    assert names(tmp_path) == set()


async def test_stale_state_of_a_completed_session_is_removed(
    tmp_path: Path,
) -> None:
    storage = LocalStorage(tmp_path)
    await storage.start()
    recording = await storage.create(new_manifest())
    await recording.complete(LATER)
    await storage.stop()
    state = tmp_path / ".active" / f"{recording.manifest.session_id}.state"
    state.mkdir()
    (state / "checkpoint").write_bytes(bytes(8192))
    await started_and_stopped(tmp_path)
    assert not state.exists()
    assert (tmp_path / f"{recording.manifest.session_id}.wav").exists()


async def test_foreign_files_in_the_folder_are_kept(tmp_path: Path) -> None:
    for name in ("notes.txt", "other.json", "other.wav"):
        (tmp_path / name).write_text("not ours")
    await started_and_stopped(tmp_path)
    assert names(tmp_path) == {"notes.txt", "other.json", "other.wav"}


async def test_a_damaged_manifest_does_not_break_the_list(
    tmp_path: Path,
) -> None:
    storage = LocalStorage(tmp_path)
    await storage.start()
    damaged = UUID((await storage.create(new_manifest())).manifest.session_id)
    whole = await storage.create(new_manifest())
    (tmp_path / f"{damaged}.json").write_bytes(b"{")
    with pytest.raises(StorageUnavailableError, match="not a manifest"):
        await storage.manifest(damaged)
    page = await storage.manifests(limit=10)
    assert page.manifests == [whole.manifest]
    await storage.stop()


async def test_a_manifest_without_its_audio_file_raises_not_found(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    await storage.start()
    recording = await storage.create(new_manifest())
    manifest = await recording.complete(LATER)
    (tmp_path / f"{recording.manifest.session_id}.wav").unlink()
    with pytest.raises(RecordingNotFoundError):
        await storage.audio(manifest)
    await storage.stop()


async def started_and_stopped(folder: Path) -> None:
    storage = LocalStorage(folder)
    await storage.start()
    await storage.upkeep.completed.wait()
    await storage.stop()


def names(folder: Path) -> set[str]:
    """Return the names of what sessions have, and of strays."""
    return {path.name for path in folder.iterdir()} - {".lock", ".active", ".index"}


async def test_audio_without_a_manifest_is_kept(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    await storage.start()
    recording = await storage.create(new_manifest())
    recording.append(pcm(10), Checkpoint(1, 20))
    await storage.stop()
    (tmp_path / f"{recording.manifest.session_id}.json").unlink()
    before = names(tmp_path)
    await started_and_stopped(tmp_path)
    assert names(tmp_path) == before


async def test_a_damaged_manifest_does_not_stop_the_start(
    tmp_path: Path,
) -> None:
    storage = LocalStorage(tmp_path)
    await storage.start()
    recording = await storage.create(new_manifest())
    await storage.stop()
    (tmp_path / f"{recording.manifest.session_id}.json").write_bytes(b"{")
    before = names(tmp_path)
    await started_and_stopped(tmp_path)
    assert names(tmp_path) == before


async def test_a_creation_that_fails_for_want_of_space_leaves_no_file_and_no_descriptor(
    tmp_path: Path,
) -> None:
    storage = LocalStorage(tmp_path)
    await storage.start()
    await storage.upkeep.completed.wait()  # the index is open from now on
    descriptors = open_descriptors()
    with file_size_limit(100), pytest.raises(StorageUnavailableError):
        await storage.create(new_manifest())
    assert open_descriptors() == descriptors
    assert names(tmp_path) == set()
    await storage.stop()


async def test_after_a_crash_progress_and_audio_are_those_at_which_a_takeover_continues(
    tmp_path: Path,
) -> None:
    storage = LocalStorage(tmp_path, sync_interval_seconds=3600)
    await storage.start()
    recording = await storage.create(new_manifest())
    recording.append(pcm(10), Checkpoint(1, 20))
    await recording.flush()
    recording.append(pcm(10), Checkpoint(2, 40))
    recording.abandon()
    progress = await storage.progress(recording.manifest)
    assert progress == Progress(Checkpoint(2, 40), Checkpoint(1, 20))
    assert (await storage.audio(recording.manifest)).size_bytes == 80 + 40
    assert (await storage.open(recording.manifest)).checkpoint == progress.checkpoint
    await storage.stop()


@pytest.mark.parametrize("left", range(6))
async def test_a_session_that_finds_no_descriptor_leaves_none_and_no_file(
    tmp_path: Path, left: int
) -> None:
    descriptors = open_descriptors()
    storage = LocalStorage(tmp_path)
    await storage.start()
    await storage.check()
    await storage.upkeep.completed.wait()
    files = session_files(tmp_path)
    is_created = False
    with few_descriptors(left), contextlib.suppress(StorageUnavailableError):
        (await storage.create(new_manifest())).abandon()
        is_created = True
    assert is_created or session_files(tmp_path) == files
    await storage.stop()
    assert open_descriptors() == descriptors


def session_files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if ".index" not in path.parts}
