"""The command ``sercuescribe migrate``."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from api.events import entry as entries
from api.events.entry import new_entry
from storage import manifest as manifests
from storage.details import DetailChanges
from storage.local import LocalStorage, OutboxFolder
from storage.manifest import Manifest
from storage.outbox import DEAD, FIRST_SLOT, RETRIED, Place
from tests import engines
from tests.api.cli.command import run
from tests.audio import pcm
from tests.eventually import eventually
from tests.service import Service
from tests.storage.archives import record
from tests.storage.conftest import new_manifest
from tests.storage.test_conformance import LATER, append

pytestmark = pytest.mark.engine

Target = Callable[[str], Path]


@pytest.fixture
def bucket_file(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    """Return a function that writes the variables of a bucket of an engine to a file."""

    def write(engine: str) -> Path:
        path = tmp_path / f"{engine}.env"
        path.write_text(
            f"STORAGE_BACKEND=s3\nS3_BUCKET={engines.BUCKET}\nS3_PREFIX={tmp_path.name}/\n"
            f"S3_ENDPOINT_URL={request.getfixturevalue(f'{engine}_url')}\n"
            f"S3_REGION={engines.REGION}\n"
            f"AWS_ACCESS_KEY_ID={engines.ACCESS_KEY}\nAWS_SECRET_ACCESS_KEY={engines.SECRET_KEY}\n"
        )
        return path

    return write


def folder_file(folder: Path) -> Path:
    path = folder.with_name(f"{folder.name}.env")
    path.write_text(f"AUDIO_STORAGE_PATH={folder}\n")
    return path


async def fill(folder: Path, sessions: int, frames: int = 1000) -> list[Manifest]:
    storage = LocalStorage(folder, sync_interval_seconds=3600)
    await storage.start()
    found = [await record(storage, pcm(frames, seed=n), user_id="u") for n in range(sessions)]
    await storage.stop()
    return found


def contents(folder: Path) -> dict[str, bytes]:
    """Return the recordings in a folder; their manifests without the sums of their store."""
    found = {}
    for path in folder.glob("0*"):
        data = path.read_bytes()
        if path.suffix == ".json":
            manifest = manifests.decode(data, UUID(path.stem))
            data = repr(msgspec.structs.replace(manifest, sha256=None)).encode()
        found[path.name] = data
    return found


async def test_recordings_go_to_a_bucket_and_back_and_active_ones_are_left_alone(
    tmp_path: Path, bucket_file: Target
) -> None:
    await fill(tmp_path / "one", 3)
    before = contents(tmp_path / "one")
    storage = LocalStorage(tmp_path / "one", sync_interval_seconds=3600)
    await storage.start()
    active = await storage.create(new_manifest())
    append(active, pcm(100))
    await active.release()
    await storage.stop()
    there = bucket_file("moto")
    source = {"AUDIO_STORAGE_PATH": str(tmp_path / "one")}

    planned = run("migrate", str(there), "--dry-run", **source)
    assert planned.stdout == "missing=3 changed=0 present=0 active=1 failed=0\n"
    done = run("migrate", str(there), **source)
    assert (done.returncode, done.stdout) == (0, "copied=3 changed=0 present=0 active=1 failed=0\n")
    assert f"{active.manifest.session_id} left alone: it is active\n" in done.stderr
    again = run("migrate", str(there), **source)
    assert again.stdout == "copied=0 changed=0 present=3 active=1 failed=0\n"
    back = folder_file(tmp_path / "other")
    done = run("migrate", str(back), "--source", str(there))
    assert (done.returncode, done.stdout) == (0, "copied=3 changed=0 present=0 active=0 failed=0\n")
    assert contents(tmp_path / "other") == before


@pytest.mark.long
async def test_a_title_goes_along_and_follows_a_later_change(
    tmp_path: Path, bucket_file: Target
) -> None:
    async def change(title: str) -> None:
        storage = LocalStorage(tmp_path / "one", sync_interval_seconds=3600)
        await storage.start()
        await storage.change(manifest, DetailChanges(title=title))
        await storage.stop()

    (manifest,) = await fill(tmp_path / "one", 1)
    there, back = bucket_file("moto"), folder_file(tmp_path / "other")
    one = {"AUDIO_STORAGE_PATH": str(tmp_path / "one")}
    for title, counts in (("first", "copied=1 changed=0"), ("second", "copied=0 changed=1")):
        await change(title)
        for target, source in ((there, []), (back, ["--source", str(there)])):
            done = run("migrate", str(target), *source, **one)
            assert done.stdout == f"{counts} present=0 active=0 failed=0\n"
        copied = (tmp_path / "other" / f"{manifest.session_id}.json").read_bytes()
        assert manifests.decode(copied, UUID(manifest.session_id)).title == title


async def test_receipts_and_block_digests_go_along_and_stay_valid_after_a_new_title(
    start_service: Callable[..., Service], tmp_path: Path, bucket_file: Target
) -> None:
    service = start_service()
    session_id = await service.record(pcm(600_000))
    titled = service.patch(f"/api/audio/sessions/{session_id}", json={"title": "later"})
    assert titled.status_code == 200
    assert service.stop() == 0
    there, back = bucket_file("moto"), folder_file(tmp_path / "other")
    key = (service.folder / ".receipt-key").read_text()
    for target, source in ((there, service.folder), (back, there)):
        given = ["--source", str(source)] if source == there else []
        run("migrate", str(target), *given, AUDIO_STORAGE_PATH=str(service.folder))
        variables = dict(line.split("=", 1) for line in target.read_text().split())
        done = run("verify", "--all", "--json", RECEIPT_KEY=key, **variables)
        assert (done.returncode, json.loads(done.stdout)["result"]) == (0, "verified")
    copied = tmp_path / "other" / f"{session_id}.sums"
    assert copied.read_bytes() == (service.folder / f"{session_id}.sums").read_bytes()


async def test_a_session_that_fails_is_named_and_the_others_are_copied(tmp_path: Path) -> None:
    damaged, short, whole = await fill(tmp_path / "one", 3)
    (tmp_path / "one" / f"{damaged.session_id}.json").write_text("{")
    (tmp_path / "one" / f"{short.session_id}.wav").write_bytes(b"")
    target = folder_file(tmp_path / "other")
    done = run("migrate", str(target), AUDIO_STORAGE_PATH=str(tmp_path / "one"))
    assert (done.returncode, done.stdout) == (1, "copied=1 changed=0 present=0 active=0 failed=2\n")
    assert f"{damaged.session_id} failed: " in done.stderr
    assert f"{short.session_id} failed: " in done.stderr
    assert {each.stem for each in (tmp_path / "other").glob("0*")} == {whole.session_id}


async def test_a_source_that_is_missing_or_the_target_itself_is_refused(tmp_path: Path) -> None:
    target = folder_file(tmp_path / "one")
    (tmp_path / "one").mkdir()
    same = run("migrate", str(target), AUDIO_STORAGE_PATH=str(tmp_path / "one"))
    assert same.returncode == 1
    assert "source and target are the same" in same.stderr
    missing = run("migrate", str(target), AUDIO_STORAGE_PATH=str(tmp_path / "missing"))
    assert missing.returncode == 1
    assert "is no folder" in missing.stderr


async def test_events_go_to_the_target_except_those_of_sessions_that_stay(tmp_path: Path) -> None:
    (completed,) = await fill(tmp_path / "one", 1)
    storage = LocalStorage(tmp_path / "one", sync_interval_seconds=3600)
    await storage.start()
    active = await storage.create(new_manifest())
    await active.release()
    await storage.stop()
    outbox = OutboxFolder(tmp_path / "one")
    sent, stays, dead = (
        new_entry(kind, session_id, LATER)  # type: ignore[arg-type]
        for kind, session_id in (
            ("session.completed", completed.session_id),
            ("session.created", active.manifest.session_id),
            ("session.created", completed.session_id),
        )
    )
    for node, entry in (("0", sent), ("0", stays), (DEAD, dead)):
        await outbox.put(Place(node, FIRST_SLOT, entry.name), entries.encode(entry))
    await outbox.put(Place("0", FIRST_SLOT, "damaged"), b"{")
    target = folder_file(tmp_path / "other")
    source = {"AUDIO_STORAGE_PATH": str(tmp_path / "one")}
    run("migrate", str(target), **source)
    assert await OutboxFolder(tmp_path / "other").nodes() == []
    done = run("migrate", str(target), "--outbox", **source)
    assert done.returncode == 1
    assert done.stdout.endswith("\nevents_moved=2 events_left=1 events_failed=1\n")
    moved = OutboxFolder(tmp_path / "other")
    assert [each.name for each in await moved.page(RETRIED, 9)] == [sent.name]
    assert [each.name for each in await moved.page(DEAD, 9)] == [dead.name]
    assert {each.name for each in await outbox.page("0", 9)} == {stays.name, "damaged"}


async def kill_in_the_middle(target: Path, arguments: list[str], copied: Callable[[], int]) -> None:
    """Start a migration and end it as a crash does, when it has copied a few sessions."""
    at_start = copied()
    process = subprocess.Popen(
        [sys.executable, "-m", "api.cli", "migrate", str(target), "--jobs", "1", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await eventually(copied, lambda count: count > at_start + 2, awaiting="copied sessions")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(30)


async def there_and_back(
    tmp_path: Path, there: Path, sessions: int, frames: int, **connection: Any
) -> None:
    """Migrate to a bucket and back, killed in the middle of each way."""
    await fill(tmp_path / "one", sessions, frames)
    before = contents(tmp_path / "one")
    client = engines.client(connection["url"])

    def in_bucket() -> int:
        paginator = client.get_paginator("list_objects_v2")
        pages = paginator.paginate(Bucket=engines.BUCKET, Prefix=f"{tmp_path.name}/0")
        keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
        return sum(key.endswith(".json") for key in keys)

    one = str(folder_file(tmp_path / "one"))
    await kill_in_the_middle(there, ["--source", one], in_bucket)
    part = in_bucket()
    assert part < sessions
    done = run("migrate", str(there), "--source", one)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"copied={sessions - part} changed=0 present={part} active=0 failed=0\n"

    other = folder_file(tmp_path / "other")
    (tmp_path / "other").mkdir()
    await kill_in_the_middle(
        other, ["--source", str(there)], lambda: len(list((tmp_path / "other").glob("*.json")))
    )
    done = run("migrate", str(other), "--source", str(there))
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "other") == before
    assert engines.open_uploads(connection["url"], f"{tmp_path.name}/") == []


@pytest.mark.long
async def test_a_migration_that_was_killed_goes_on_where_it_was(
    tmp_path: Path, bucket_file: Target, moto_url: str
) -> None:
    await there_and_back(tmp_path, bucket_file("moto"), 60, 20_000, url=moto_url)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_500_recordings_go_to_a_real_store_and_back_with_kills_in_the_middle(
    tmp_path: Path, bucket_file: Target, seaweedfs_url: str
) -> None:
    await there_and_back(tmp_path, bucket_file("seaweedfs"), 500, 20_000, url=seaweedfs_url)
