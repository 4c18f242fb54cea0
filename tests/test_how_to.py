"""The commands of the how-tos do what the pages say."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
import yaml

from api.access.api_keys import key_line, new_key
from api.cli.serve import serve
from api.settings import Settings
from tests import engines
from tests.audio import SPEECH, pcm
from tests.eventually import eventually
from tests.ports import reserve_ports
from tests.service import Service

PAGES = Path(__file__).parents[1] / "docs" / "how-to"


def commands(page: str) -> list[str]:
    """Return the shell commands of a page, one text for each block."""
    return re.findall(r"```sh\n(.*?)```", (PAGES / page).read_text(), re.DOTALL)


def yaml_blocks(page: str) -> list[dict[str, Any]]:
    text = (PAGES / page).read_text()
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]


def run(text: str, folder: Path, stdin: str = "", **variables: str) -> str:
    """Run the commands in ``folder``, and return what they print."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-euc", text],
        cwd=folder,
        env={**os.environ, "PATH": path, **variables},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def settings_and_options(command: str) -> tuple[dict[str, str], list[str]]:
    """Return the variables in front of ``sercuescribe serve``, and the options behind it."""
    words = shlex.split(command.replace("\\\n", " "))
    name = words.index("sercuescribe")
    assert words[name + 1] == "serve"
    return dict(word.split("=", 1) for word in words[:name]), words[name + 2 :]


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


async def test_a_volume_is_moved_to_a_bucket_while_the_service_runs(
    start_service: Callable[..., Service], seaweedfs_url: str, tmp_path: Path
) -> None:
    service = start_service()
    values = {
        "new-recordings": engines.BUCKET,
        "eu-central-1": engines.REGION,
        "AWS_ACCESS_KEY_ID=…": f"AWS_ACCESS_KEY_ID={engines.ACCESS_KEY}",
        "AWS_SECRET_ACCESS_KEY=…": f"AWS_SECRET_ACCESS_KEY={engines.SECRET_KEY}",
        "END\n": f"S3_PREFIX={tmp_path.name}/\nS3_ENDPOINT_URL={seaweedfs_url}\nEND\n",
    }
    (target,) = commands("move-storage.md")
    heredoc, _, lines = target.partition("\n")
    for shown, value in values.items():
        assert shown in lines
        lines = lines.replace(shown, value)
    run(f"{heredoc}\n{lines}", tmp_path)
    text = (PAGES / "move-storage.md").read_text()
    look, copy, finish = re.findall(r"^\d\. .*?`(sercuescribe migrate [^`]+)`", text, re.MULTILINE)

    volume = {"AUDIO_STORAGE_PATH": str(service.folder)}
    session_id = await service.record(pcm(1000))
    missing = "missing=1 changed=0 present=0 active=0 failed=0\n"
    assert run(look, tmp_path, **volume).endswith(missing)
    assert run(copy, tmp_path, **volume).startswith("copied=1 changed=0 present=0 ")
    assert service.stop() == 0
    last = run(finish, tmp_path, **volume)
    assert "present=1 active=0 failed=0" in last
    moved = engines.objects(seaweedfs_url, f"{tmp_path.name}/")[f"{session_id}.wav"]
    assert moved == service.wav(session_id).read_bytes()


def test_the_recordings_of_a_person_are_exported_and_deleted(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    key = new_key()
    service = start_service(auth_mode="api_key", api_keys=key_line(key, "root", ["admin"]))
    volume = {"AUDIO_STORAGE_PATH": str(service.folder), "SERCUESCRIBE_SERVER": service.url}
    record = f"sercuescribe record --user-id alice {SPEECH}"
    session_id = run(record, tmp_path, SERCUESCRIBE_KEY=key, **volume).split()[0]
    export, delete = commands("personal-data.md")
    folder = tmp_path / "alice"
    printed = run(export.replace("/tmp/alice", str(folder)), tmp_path, **volume)
    assert printed == "copied=1 changed=0 present=0 active=0 failed=0\n"
    names = {f"{session_id}.{kind}" for kind in ("wav", "json", "dat", "sums", "times")}
    assert {path.name for path in folder.iterdir()} == names
    printed = run(delete.replace("…", key), tmp_path, "y\n", **volume)
    assert f"{session_id} deleted  completed " in printed
    assert printed.endswith("deleted=1 active=0 held=0 failed=0 left=0\n")


def test_leftovers_are_first_listed_and_then_deleted_by_their_age(tmp_path: Path) -> None:
    look, delete, look_younger = commands("remove-leftovers.md")[0].splitlines()
    volume = {"AUDIO_STORAGE_PATH": str(tmp_path)}
    old, young = tmp_path / ".old.tmp", tmp_path / ".young.tmp"
    for path, hours in ((old, 48), (young, 2)):
        path.touch()
        os.utime(path, (time.time() - hours * 3600,) * 2)
    printed = run(look, tmp_path, **volume)
    assert (old.name in printed, young.name in printed, old.exists()) == (True, False, True)
    run(delete, tmp_path, **volume)
    assert (old.exists(), young.exists()) == (False, True)
    assert young.name in run(look_younger, tmp_path, **volume)


def test_metrics_are_at_an_address_of_their_own(start_service: Callable[..., Service]) -> None:
    settings, options = settings_and_options(commands("monitor.md")[0])
    address = settings["METRICS_ADDRESS"].replace("9100", str(reserve_ports(1)[0]))
    assert (settings, options) == ({"METRICS_ADDRESS": "127.0.0.1:9100"}, [])
    start_service(metrics_address=address)
    assert "sercuescribe_" in requests.get(f"http://{address}/metrics", timeout=10).text


def test_a_service_behind_a_proxy_demands_keys_and_makes_links_to_the_proxy(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    settings, options = settings_and_options(commands("proxies.md")[0])
    assert options == ["--host", "0.0.0.0"]
    key, keys = new_key(), tmp_path / "keys"
    keys.write_text(key_line(key, "alice", ["record", "read"]))
    service = start_service(**settings | {"API_KEYS_FILE": keys})
    assert service.get("/api/audio/sessions").status_code == 401
    headers = {"X-API-Key": key}
    session_id = service.post("/api/audio/sessions", headers=headers).json()["session_id"]
    service.post(f"/api/audio/sessions/{session_id}/close", headers=headers)
    link = service.get(f"/api/audio/sessions/{session_id}/download", headers=headers).json()["url"]
    assert link.startswith(f"{settings['PUBLIC_URL']}/")


def test_traefik_keeps_connections_longer_than_pings_and_reaches_the_default_port() -> None:
    static, dynamic = yaml_blocks("proxies.md")
    settings = Settings()
    (entry_point,) = static["entryPoints"]
    timeouts = static["entryPoints"][entry_point]["transport"]["respondingTimeouts"]
    idle_seconds, read_seconds = (
        float(timeouts[name].removesuffix("s")) for name in ("idleTimeout", "readTimeout")
    )
    assert idle_seconds > settings.ping_interval_seconds + settings.ping_timeout_seconds
    # Traefik must not be the first to end a request that is late: the service says why.
    assert read_seconds > settings.handshake_timeout_seconds
    router, service = dynamic["http"]["routers"], dynamic["http"]["services"]
    assert router["sercuescribe"]["entryPoints"] == [entry_point]
    balancer = service[router["sercuescribe"]["service"]]["loadBalancer"]
    (port,) = (each.default for each in serve.params if each.name == "port")
    assert balancer["servers"] == [{"url": f"http://127.0.0.1:{port}"}]
    assert balancer["healthCheck"]["path"] == "/health"
