"""``sercuescribe download`` against a real service."""

from pathlib import Path

import pytest

from tests.audio import SPEECH, decode, speech
from tests.clients.python.cli.command import events, run, start_binary
from tests.service import Service


@pytest.fixture
def session_id(service: Service) -> str:
    done = run("record", SPEECH, "--json", "--server", service.url)
    return str(events(done.stdout)[-1]["session_id"])


def test_a_recording_is_downloaded(service: Service, session_id: str, tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    done = run("download", session_id, "-o", path, "--server", service.url)
    assert (done.returncode, done.stdout) == (0, f"{path}  {path.stat().st_size} bytes\n")
    assert path.read_bytes()[80:] == speech()[44:]
    named = run("download", session_id, "--json", "--server", service.url, cwd=tmp_path)
    assert events(named.stdout)[0]["path"] == f"{session_id}.wav"
    assert (tmp_path / f"{session_id}.wav").read_bytes() == path.read_bytes()


def test_a_part_is_downloaded_in_another_format_to_standard_output(
    service: Service, session_id: str
) -> None:
    options = ("--format", "flac", "--start", "1", "--end", "2.5", "--server", service.url)
    with start_binary("download", session_id, "-o", "-", *options) as process:
        flac, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert decode(flac, sample_rate=22050) == speech()[44:][2 * 22050 : 5 * 22050]


def test_several_recordings_are_downloaded_and_one_that_fails_stops_no_other(
    service: Service, session_id: str, tmp_path: Path
) -> None:
    missing = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"
    options = ("-o", tmp_path, "--server", service.url)
    done = run("download", missing, session_id, *options)
    assert done.returncode == 1
    assert done.stderr == f"sercuescribe: {missing}: Session not found (session {missing})\n"
    assert [path.name for path in tmp_path.iterdir()] == [f"{session_id}.wav"]
    done = run("download", "--all", "--format", "mp3", *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / f"{session_id}.mp3").exists()
    again = run("download", "--all", "--format", "mp3", *options)
    assert (again.returncode, again.stdout) == (0, "")


def test_more_than_one_recording_needs_a_folder(service: Service, session_id: str) -> None:
    done = run("download", session_id, session_id, "-o", "x.wav", "--server", service.url)
    assert done.returncode == 2
    assert "-o must be a folder" in done.stderr
