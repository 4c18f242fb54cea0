"""Recording with the page in Firefox, with its fake microphone and a sound server of the test."""

import asyncio
import base64
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.audio import decode, pcm
from tests.clients.js.runtimes import NODE
from tests.service import Service

pytestmark = pytest.mark.long

PROGRAM = Path(__file__).parent / "firefox.mjs"
WITHOUT_OUTPUT = Path(__file__).parent / "firefox_without_output.mjs"
CONTROLS = Path(__file__).parent / "firefox_controls.mjs"
LIST = Path(__file__).parent / "firefox_list.mjs"
CHUNKS = 20


@pytest.fixture(scope="module")
def sound_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PulseAudio with a null sink: without an output, Firefox never starts an AudioContext."""
    folder = tmp_path_factory.mktemp("pulse")
    address = folder / "native"
    command = [
        "pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1",
        "--log-target=stderr", "--load=module-null-sink",
        f"--load=module-native-protocol-unix socket={address} auth-anonymous=1",
    ]  # fmt: skip
    folders = {"XDG_RUNTIME_DIR": str(folder), "HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | folders, stderr=log)
    yield f"unix:{address}"
    process.terminate()
    process.wait()


def run(program: Path, *arguments: str, sound_server: str) -> dict[str, Any]:
    """Return what a program prints."""
    printed = subprocess.run(
        [NODE, program, *arguments],
        env={**os.environ, "PULSE_SERVER": sound_server},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert printed.returncode == 0, printed.stderr
    found: dict[str, Any] = json.loads(printed.stdout)
    return found


@pytest.mark.parametrize("quality", ["pcm", "opus"])
def test_firefox_records_all_audio_that_it_delivers(
    service: Service, sound_server: str, quality: str
) -> None:
    page = run(PROGRAM, f"{service.url}/", quality, str(CHUNKS), sound_server=sound_server)
    assert page["errors"] == []
    delivered = b"".join(map(base64.b64decode, page["delivered"]))
    assert len(page["delivered"]) >= CHUNKS
    session = service.get("/api/audio/sessions").json()["sessions"][0]
    assert session["status"] == "completed"
    assert session["error"] is None
    expected = delivered if quality == "pcm" else decode(delivered, sample_rate=48000)
    assert service.pcm(session["session_id"]) == expected
    assert max(expected) > 0


def test_firefox_without_an_audio_output_says_so_and_records_compressed(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    service = start_service()
    page = run(WITHOUT_OUTPUT, f"{service.url}/", sound_server=f"unix:{tmp_path / 'none'}")
    assert page["said"].startswith("The browser does not start its audio. Connect")
    assert (page["sessions"], page["errors"]) == (0, [])
    (session,) = service.get("/api/audio/sessions").json()["sessions"]
    assert session["duration_seconds"] > 1


async def test_firefox_searches_renames_seeks_and_plays(
    start_service: Callable[..., Service], sound_server: str
) -> None:
    service = start_service()
    for title in ("Lecture", "Interview"):
        await service.record(pcm(44100) * 20, title=title)
    page = await asyncio.to_thread(run, LIST, f"{service.url}/", sound_server=sound_server)
    assert page == {"found": ["Interview"], "renamed": "Interview with Ada", "errors": []}
    titles = [each["title"] for each in service.get("/api/audio/sessions").json()["sessions"]]
    assert titles == ["Interview with Ada", "Lecture"]


def test_firefox_marks_pauses_resumes_after_a_reload_and_shares(
    start_service: Callable[..., Service], sound_server: str
) -> None:
    service = start_service(sync_interval_seconds=0.2)
    page = run(CONTROLS, f"{service.url}/", sound_server=sound_server)
    assert page["errors"] == []
    (session,) = service.get("/api/audio/sessions").json()["sessions"]
    assert (session["status"], session["error"]) == ("completed", None)
    timeline = service.get(f"/api/audio/sessions/{session['session_id']}/timeline").json()
    assert [each["label"] for each in timeline["marks"]] == ["Question 2"]
    assert len(timeline["pauses"]) == 1
    shared = service.get(page["link"].removeprefix(service.url))
    assert shared.status_code == 200
