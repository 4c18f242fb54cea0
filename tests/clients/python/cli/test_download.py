"""``sercuescribe download`` against a real service."""

from pathlib import Path

import pytest

from tests.audio import SPEECH, speech
from tests.clients.python.cli.command import events, run
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
