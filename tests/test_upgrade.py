"""This release takes over what release 0.2.0 has left, also sessions that were recording.

tests/data/release-0.2.0/make.py has recorded it with 0.2.0 itself.
"""

import json
import tarfile
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.volume.disk import boot_id
from tests import engines
from tests.audio import cut, decode, pcm
from tests.service import Service

DATA = Path(__file__).parent / "data" / "release-0.2.0"
WEBM = Path(__file__).parent / "data" / "browsers" / "chromium-250ms.webm"
RATE = 48000
PCM = pcm(8000, seed=7)
CHUNKS = {"pcm": list(cut(PCM, 1600)), "webm": list(cut(WEBM.read_bytes(), 1500))}
PERSISTED, SENT = 3, 5
SESSIONS = json.loads((DATA / "sessions.json").read_bytes())


def unpack(name: str, folder: Path) -> None:
    with tarfile.open(DATA / f"{name}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    begin_now(folder)


def begin_now(folder: Path) -> None:
    """Let the active sessions begin now: one that is older than a day would be completed."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    for path in folder.glob("*.json"):
        manifest = json.loads(path.read_bytes())
        if manifest["status"] == "active":
            path.write_text(json.dumps(manifest | {"created_at": now}, indent=2))


def as_if_of_this_boot(folder: Path) -> None:
    """Let the states be those of a service that ended while the machine went on."""
    boot = boot_id()
    for checkpoint in folder.rglob("checkpoint"):
        with checkpoint.open("r+b") as file:
            file.seek(2016)
            file.write(zlib.crc32(boot.bytes).to_bytes(4, "little") + boot.bytes)
    for peaks in folder.rglob("peaks.*"):
        peaks.rename(peaks.with_suffix(f".{boot}"))


def expected() -> dict[str, bytes]:
    return {"completed": PCM, "pcm": PCM, "webm": decode(WEBM.read_bytes(), sample_rate=RATE)}


def fill_bucket(url: str, prefix: str, folder: Path) -> None:
    unpack("bucket", folder)
    client = engines.client(url)
    for path in folder.rglob("*"):
        if path.is_file():
            key = str(path.relative_to(folder))
            client.put_object(
                Bucket=engines.BUCKET,
                Key=prefix + key,
                Body=path.read_bytes(),
                Metadata=SESSIONS["metadata"].get(key, {}),
            )


async def finish(service: Service, ids: dict[str, str], kept: int) -> None:
    """Send the rest of each active session from where the service says it is."""
    for name, chunks in CHUNKS.items():
        async with service.session(f"/{ids[name]}", resume="true") as client:
            assert client.greeting["chunk_count"] == kept, client.greeting
            for chunk in chunks[kept:]:
                await client.send(chunk)
            await client.close_session()


def check_sessions(
    service: Service, ids: dict[str, str], audio: Callable[[str], bytes], *, rebooted: bool = False
) -> None:
    listed = service.get("/api/audio/sessions").json()["sessions"]
    assert {each["session_id"] for each in listed} == set(ids.values())
    of_alice = service.get("/api/audio/sessions?user_id=alice").json()["sessions"]
    assert [each["session_id"] for each in of_alice] == [ids["completed"]]
    for name, pcm_of_session in expected().items():
        info = service.get(f"/api/audio/sessions/{ids[name]}").json()
        warned = ["unpersisted_audio_lost"] if rebooted and name != "completed" else []
        assert info["status"] == "completed"
        assert [each["code"] for each in info["warnings"]] == warned
        assert audio(ids[name])[80:] == pcm_of_session
        waveform = service.get(f"/api/audio/sessions/{ids[name]}/waveform?width=10")
        assert waveform.status_code == 200


@pytest.mark.parametrize("kept", [SENT, PERSISTED], ids=["in-this-boot", "after-a-reboot"])
async def test_a_volume_of_0_2_0_is_taken_over_with_its_active_sessions(
    kept: int, start_service: Callable[..., Service], tmp_path: Path
) -> None:
    ids = SESSIONS["volume"]
    unpack("volume", tmp_path / "recordings-0")
    if kept == SENT:
        as_if_of_this_boot(tmp_path / "recordings-0")
    service = start_service()
    await service.live(2)
    await finish(service, ids, kept)
    check_sessions(
        service, ids, lambda each: service.wav(each).read_bytes(), rebooted=kept == PERSISTED
    )
    assert service.stop() == 0


@pytest.mark.parametrize("kept", [SENT, PERSISTED], ids=["with-the-spool", "without-the-spool"])
async def test_a_bucket_of_0_2_0_is_taken_over_with_its_active_sessions(
    kept: int,
    on_bucket: Callable[..., Service],
    objects: Callable[[], dict[str, bytes]],
    seaweedfs_url: str,
    tmp_path: Path,
) -> None:
    ids = SESSIONS["bucket"]
    fill_bucket(seaweedfs_url, f"{tmp_path.name}/", tmp_path / "objects")
    if kept == SENT:
        unpack("spool", tmp_path / "recordings-0")
        as_if_of_this_boot(tmp_path / "recordings-0")
    service = on_bucket(lease_seconds=2)
    await service.live(2)
    await finish(service, ids, kept)
    assert service.stop() == 0  # waits for the cleaning
    stored = objects()
    service.start()
    check_sessions(service, ids, lambda each: stored[f"{each}.wav"])
    assert service.stop() == 0
