"""The command ``sercuescribe export``."""

from pathlib import Path

import pytest

from storage.local import LocalStorage
from tests.api.cli.command import run
from tests.audio import pcm
from tests.storage.archives import record
from tests.storage.conftest import new_manifest

pytestmark = pytest.mark.engine


async def test_all_recordings_of_a_user_are_copied_and_active_ones_are_named(
    tmp_path: Path,
) -> None:
    storage = LocalStorage(tmp_path / "recordings", sync_interval_seconds=3600)
    await storage.start()
    alices = [await record(storage, pcm(100, seed=n), user_id="alice") for n in range(2)]
    await record(storage, pcm(100), user_id="bob")
    await record(storage, pcm(100))
    active = await storage.create(new_manifest(user_id="alice"))
    other = await storage.create(new_manifest(user_id="bob"))
    recordings = {"AUDIO_STORAGE_PATH": str(tmp_path / "recordings")}
    folder = tmp_path / "alice"
    done = run("export", "alice", str(folder), **recordings)
    assert (done.returncode, done.stdout) == (0, "copied=2 changed=0 present=0 active=1 failed=0\n")
    assert done.stderr == f"{active.manifest.session_id} left alone: it is active\n"
    for each in alices:
        for suffix in ("wav", "dat"):
            name = f"{each.session_id}.{suffix}"
            assert (folder / name).read_bytes() == (tmp_path / "recordings" / name).read_bytes()
    assert {each.stem for each in folder.glob("*.json")} == {each.session_id for each in alices}
    again = run("export", "alice", str(folder), **recordings)
    assert again.stdout == "copied=0 changed=0 present=2 active=1 failed=0\n"
    await active.release()
    await other.release()
    await storage.stop()


async def test_a_manifest_that_may_be_that_of_the_user_is_named(tmp_path: Path) -> None:
    session_id = new_manifest().session_id
    (tmp_path / f"{session_id}.json").write_text("{")
    done = run("export", "alice", str(tmp_path / "alice"), AUDIO_STORAGE_PATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "copied=0 changed=0 present=0 active=0 failed=1\n")
    assert f"{session_id} failed: " in done.stderr


async def test_the_folder_of_the_service_is_no_folder_to_export_to(tmp_path: Path) -> None:
    done = run("export", "alice", str(tmp_path), AUDIO_STORAGE_PATH=str(tmp_path))
    assert done.returncode == 1
    assert "is the folder of the service itself" in done.stderr
