"""The commands of the how-tos do what the pages say."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import requests

from tests.audio import pcm
from tests.eventually import eventually
from tests.service import Service

PAGES = Path(__file__).parents[1] / "docs" / "how-to"


def commands(page: str) -> list[str]:
    """Return the shell commands of a page, one text for each block."""
    return re.findall(r"```sh\n(.*?)```", (PAGES / page).read_text(), re.DOTALL)


def run(text: str, folder: Path, **variables: str) -> str:
    """Run the commands in ``folder``, and return what they print."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-euc", text],
        cwd=folder,
        env={**os.environ, "PATH": path, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def listed(service: Service) -> set[str]:
    found = service.get("/api/audio/sessions").json()["sessions"]
    return {each["session_id"] for each in found}


async def test_a_volume_is_backed_up_and_restored_as_a_whole_and_session_by_session(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    service = start_service()
    backup = tmp_path / "backup"
    (tmp_path / "backup.env").write_text(f"AUDIO_STORAGE_PATH={backup}\n")
    (tmp_path / "volume.env").write_text(f"AUDIO_STORAGE_PATH={service.folder}\n")
    save, restore_all, restore_one = (
        text.replace("/mnt/backup", str(backup)).replace("/srv/recordings", str(service.folder))
        for text in commands("backup-and-restore.md")
    )
    volume = {"AUDIO_STORAGE_PATH": str(service.folder)}
    ids = [await service.record(pcm(1000, seed=number)) for number in range(2)]
    audio = {each: service.wav(each).read_bytes() for each in ids}
    assert run(save, tmp_path, **volume) == "copied=2 changed=0 present=0 active=0 failed=0\n"

    assert service.stop() == 0
    shutil.rmtree(service.folder)
    assert run(restore_all, tmp_path) == "copied=2 changed=0 present=0 active=0 failed=0\n"
    service.log.clear()
    service.start()
    # Else the service itself may find the recording that is added below.
    await eventually(lambda: "Index compared" in "".join(service.log), awaiting="the comparison")
    assert listed(service) == set(ids)
    assert {each: service.wav(each).read_bytes() for each in ids} == audio

    service.delete(f"/api/audio/sessions/{ids[0]}")
    assert listed(service) == {ids[1]}
    printed = run(restore_one, tmp_path, ID=ids[0], **volume)
    assert printed == "added=1 removed=0 corrected=0\n"
    assert listed(service) == set(ids)
    answer = service.get(f"/api/audio/sessions/{ids[0]}/audio")
    assert answer.content == audio[ids[0]]


async def test_the_signing_secret_is_replaced_and_links_stay_valid(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    text = (PAGES / "rotate-secrets.md").read_text()
    previous = re.search(r'SIGNING_SECRET_PREVIOUS="(\$\(.*?\))"', text)
    assert previous is not None
    service = start_service()
    session_id = await service.record(pcm(100))
    path = service.get(f"/api/audio/sessions/{session_id}/download").json()["url"].split("/", 3)[3]
    assert service.stop() == 0
    old = run(f'printf %s "{previous[1]}"', tmp_path, AUDIO_STORAGE_PATH=str(service.folder))
    new = "n" * 64
    for secret, status in ((old, 200), ("", 403)):
        later = start_service(signing_secret=new, signing_secret_previous=secret)
        later.stop()
        shutil.copytree(service.folder, later.folder, dirs_exist_ok=True)
        (later.folder / ".signing-key").unlink()
        later.start()
        assert requests.get(f"{later.url}/{path}", timeout=10).status_code == status
        later.stop()
