"""What crashes have left in a folder is found, and nothing that a session needs."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from storage.details import DetailChanges
from storage.leftovers import Leftover
from storage.local import LocalStorage, OutboxFolder
from storage.local.leftovers import FolderLeftovers
from storage.outbox import FIRST_SLOT, Place
from tests.audio import pcm
from tests.storage.archives import record
from tests.storage.conftest import new_manifest
from tests.storage.test_conformance import append
from tests.storage.test_shared_links import link

LATER = datetime.now(UTC) + timedelta(days=2)


async def find(
    folder: Path, before: datetime = LATER
) -> tuple[dict[str, Leftover], dict[str, object]]:
    left_alone: dict[str, object] = {}
    found = FolderLeftovers(folder).find(before, left_alone.__setitem__)
    return {Path(each.name).name: each async for each in found}, left_alone


async def test_leftovers_are_found_and_removed_and_sessions_stay(
    tmp_path: Path, volume: LocalStorage
) -> None:
    completed = await record(volume, pcm(100))
    await volume.shared_links.add(UUID(completed.session_id), link(1))
    active = await volume.create(new_manifest())
    append(active, pcm(100))
    await OutboxFolder(tmp_path).put(Place("0", FIRST_SLOT, "event"), b"{}")
    before = {each for each in tmp_path.rglob("*") if ".index" not in str(each)}
    assert await find(tmp_path) == ({}, {})

    state = tmp_path / ".active" / f"{completed.session_id}.state"
    state.mkdir()
    (state / "checkpoint").write_bytes(b"x" * 4096)
    (tmp_path / state.name).symlink_to(state)
    gone = new_manifest().session_id
    (tmp_path / ".active" / f"{gone}.state").mkdir()
    (tmp_path / f"{gone}.dat").write_bytes(b"waveform")
    (tmp_path / f"{gone}.links").mkdir()
    (tmp_path / f".{gone}.wav.00.tmp").write_bytes(b"audio")
    (tmp_path / ".outbox" / "0" / ".tmp-00").write_bytes(b"{")
    (tmp_path / ".probe-00" / "lock").parent.mkdir()
    (tmp_path / ".probe-00" / "lock").touch()
    (tmp_path / ".foreign.tmp").mkdir()
    before.add(tmp_path / ".foreign.tmp")
    found, left_alone = await find(tmp_path)
    assert left_alone == {}
    assert set(found) == {
        state.name, f"{gone}.state", f"{gone}.dat", f"{gone}.links", f".{gone}.wav.00.tmp",
        ".tmp-00", ".probe-00",
    }  # fmt: skip
    for each in found.values():
        await each.remove()
        await each.remove()
    assert {each for each in tmp_path.rglob("*") if ".index" not in str(each)} == before
    await active.release()


async def test_what_was_written_after_the_limit_is_no_leftover(tmp_path: Path) -> None:
    gone = new_manifest().session_id
    state = tmp_path / ".active" / f"{gone}.state"
    state.mkdir(parents=True)
    (state / "checkpoint").write_bytes(b"x")
    old = time.time() - 100_000
    os.utime(state, (old, old))
    limit = datetime.now(UTC) - timedelta(hours=24)
    assert await find(tmp_path, limit) == ({}, {})
    os.utime(state / "checkpoint", (old, old))
    assert set((await find(tmp_path, limit))[0]) == {state.name}


async def test_audio_without_a_manifest_and_damaged_sessions_are_left_alone_and_named(
    tmp_path: Path,
) -> None:
    for damaged in (True, False):
        session_id = new_manifest().session_id
        (tmp_path / ".active" / f"{session_id}.state").mkdir(parents=True)
        (tmp_path / f"{session_id}.wav").write_bytes(bytes(100))
        if damaged:
            (tmp_path / f"{session_id}.json").write_text("{")
    found, left_alone = await find(tmp_path)
    assert found == {}
    reasons = sorted(str(each) for each in left_alone.values())
    assert len(reasons) == 2
    assert "not a manifest" in reasons[0]
    assert reasons[1] == "its audio has no manifest"


async def test_a_session_with_a_hold_is_left_alone(tmp_path: Path, volume: LocalStorage) -> None:
    manifest = await record(volume, pcm(100))
    (tmp_path / ".active" / f"{manifest.session_id}.state").mkdir()
    await volume.change(manifest, DetailChanges(hold=True))
    assert await find(tmp_path) == ({}, {})
    await volume.change(manifest, DetailChanges(hold=False))
    assert len((await find(tmp_path))[0]) == 1
