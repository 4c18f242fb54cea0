"""The states of active sessions are in one folder; what release 0.2.0 has left is taken over."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from storage.checkpoint import Checkpoint, StreamCheckpoint
from storage.local import LocalStorage
from storage.local.active_states import ActiveStates
from storage.local.folder import RecordingsFolder
from storage.manifest import Manifest
from storage.skipped import SkippedObjects
from tests.audio import pcm
from tests.eventually import eventually
from tests.storage.conftest import new_manifest
from tests.storage.local.folders import (
    listed,
    move_states_as_in_0_2_0,
    put_dangling_link,
    put_file,
    running,
    write_session,
)
from tests.storage.test_conformance import LATER

CHECKPOINT = Checkpoint(2, 200, (StreamCheckpoint(1, 5, 0, b""),))


async def recorded(folder: Path) -> Manifest:
    """Record a session with kept input; its process dies."""
    async with running(folder) as storage:
        recording = await storage.create(new_manifest(user_id="Zoë"))
        recording.keep_input(1, 0, b"input")
        recording.append(pcm(100), CHECKPOINT)
        await recording.flush()
        recording.abandon()
    return recording.manifest


async def assert_continued(storage: LocalStorage, manifest: Manifest) -> None:
    recording = await storage.open(manifest)
    assert recording.checkpoint == CHECKPOINT
    assert b"".join([block async for block in recording.read_input(1)]) == b"input"
    await recording.complete(LATER)


async def test_active_sessions_of_0_2_0_are_taken_over(tmp_path: Path) -> None:
    manifests = [await recorded(tmp_path) for _ in range(2)]
    move_states_as_in_0_2_0(tmp_path)
    ids = [each.session_id for each in manifests]
    async with running(tmp_path) as storage:
        assert await storage.active_sessions() == [UUID(each) for each in ids]
        assert await listed(storage, status="active", user_id="Zoë") == ids[::-1]
        for manifest in manifests:
            await assert_continued(storage, manifest)
        assert list((tmp_path / ".active").iterdir()) == []
        assert list(tmp_path.glob("*.state")) == []


MOVING = """
import os, sys
from pathlib import Path
from storage.local.active_states import ActiveStates
from storage.local.folder import RecordingsFolder
from storage.skipped import SkippedObjects

moved = []
rename = Path.rename

def dying(path, target):
    moved.append(rename(path, target))
    if len(moved) == 2:
        os._exit(9)

Path.rename = dying
ActiveStates(RecordingsFolder(Path(sys.argv[1])), SkippedObjects()).prepare()
"""


async def test_a_take_over_that_was_interrupted_is_repeated(tmp_path: Path) -> None:
    manifests = [await recorded(tmp_path) for _ in range(3)]
    move_states_as_in_0_2_0(tmp_path)
    command = [sys.executable, "-c", MOVING, str(tmp_path)]
    assert subprocess.run(command, check=False, timeout=60).returncode == 9
    assert not (tmp_path / ".active").exists()
    async with running(tmp_path) as storage:
        assert len(await storage.active_sessions()) == 3
        for manifest in manifests:
            await assert_continued(storage, manifest)


async def test_0_2_0_finds_the_state_of_an_active_session_beside_its_audio(tmp_path: Path) -> None:
    manifest = await recorded(tmp_path)
    state = RecordingsFolder(tmp_path).old_state(UUID(manifest.session_id))
    assert (state / "input.1").read_bytes() == b"input"
    assert state.readlink() == Path(".active") / state.name


async def test_a_session_that_0_2_0_has_continued_is_continued_from_there(tmp_path: Path) -> None:
    """As tools that follow links copy it, and as 0.2.0 records if the link is missing."""
    manifest = await recorded(tmp_path)
    folder, session_id = RecordingsFolder(tmp_path), UUID(manifest.session_id)
    old, state = folder.old_state(session_id), folder.paths(session_id).state
    old.unlink()
    shutil.copytree(state, old)
    (state / "checkpoint").write_bytes(b"of an earlier time")
    async with running(tmp_path) as storage:
        await assert_continued(storage, manifest)


async def test_a_session_that_0_2_0_has_created_is_found_in_the_background(tmp_path: Path) -> None:
    manifest = await recorded(tmp_path)
    folder, session_id = RecordingsFolder(tmp_path), UUID(manifest.session_id)
    state = folder.paths(session_id).state
    (tmp_path / state.name).unlink()
    state.rename(tmp_path / state.name)
    async with running(tmp_path) as storage:
        assert await storage.orphans() == [session_id]
        assert await storage.orphans() == []
        assert await storage.active_sessions() == [session_id]
        await assert_continued(storage, manifest)


async def test_a_client_need_not_wait_until_the_background_has_found_its_session(
    tmp_path: Path,
) -> None:
    manifest = await recorded(tmp_path)
    async with running(tmp_path) as storage:
        name = f"{manifest.session_id}.state"
        (tmp_path / name).unlink()
        (tmp_path / ".active" / name).rename(tmp_path / name)
        await assert_continued(storage, manifest)


async def test_a_completed_or_deleted_session_leaves_no_link(tmp_path: Path) -> None:
    async with running(tmp_path) as storage:
        completed, deleted = [await storage.create(new_manifest()) for _ in range(2)]
        assert len(list(tmp_path.glob("*.state"))) == 2
        await completed.complete(LATER)
        deleted.abandon()
        await storage.delete(deleted.manifest)
        assert list(tmp_path.glob("*.state")) == []
        assert list((tmp_path / ".active").iterdir()) == []


@pytest.fixture
def states(tmp_path: Path) -> ActiveStates:
    states = ActiveStates(RecordingsFolder(tmp_path), SkippedObjects())
    states.prepare()
    return states


def test_a_start_reads_only_the_folder_of_the_states(
    states: ActiveStates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states.create(UUID(write_session(tmp_path, completed=False).session_id))
    read: list[Path] = []
    scandir = os.scandir

    def noted(path: Path) -> Any:
        read.append(path)
        return scandir(path)

    monkeypatch.setattr("os.scandir", noted)
    states.prepare()
    assert len(states.sessions()) == 1
    assert set(read) == {tmp_path / ".active"}


@pytest.mark.parametrize("kind", ["state", "old state"])
def test_states_of_sessions_that_are_not_active_are_removed_and_audio_is_kept(
    states: ActiveStates, tmp_path: Path, kind: str
) -> None:
    completed, audio, nothing, damaged = (write_session(tmp_path) for _ in range(4))
    for each in (audio, nothing):
        (tmp_path / f"{each.session_id}.json").unlink()
    (tmp_path / f"{audio.session_id}.wav").write_bytes(bytes(100))
    (tmp_path / f"{damaged.session_id}.json").write_bytes(b"{")
    place = tmp_path / ".active" if kind == "state" else tmp_path
    for each in (completed, audio, nothing, damaged):
        (place / f"{each.session_id}.state").mkdir()
    if kind == "old state":
        (tmp_path / ".active").rmdir()
    states.prepare()
    kept = {f"{each.session_id}.state" for each in (audio, damaged)}
    assert {path.name for path in place.glob("*.state")} == kept
    assert (tmp_path / f"{audio.session_id}.wav").read_bytes() == bytes(100)
    assert (tmp_path / f"{completed.session_id}.wav").exists()
    assert not (tmp_path / f"{nothing.session_id}.wav").exists()


@pytest.mark.parametrize("put", [put_file, put_dangling_link], ids=["file", "link"])
async def test_what_is_no_folder_of_states_is_replaced(
    tmp_path: Path, put: Callable[[Path], None]
) -> None:
    put(tmp_path / ".active")
    put(tmp_path / ".active.new")
    async with running(tmp_path) as storage:
        recording = await storage.create(new_manifest())
        assert len(await storage.active_sessions()) == 1
        recording.abandon()


async def test_a_file_system_without_links_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    manifest = await recorded(tmp_path)
    async with running(tmp_path) as storage:
        await eventually(storage.active_sessions, awaiting="the session")
        await assert_continued(storage, manifest)
