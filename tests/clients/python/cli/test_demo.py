"""``sercuescribe demo``: what it prints holds, and nothing stays behind."""

from pathlib import Path

import pytest

from sercuescribe_client.cli import demo
from tests.audio import SPEECH
from tests.clients.python.cli.command import run

pytestmark = pytest.mark.engine


def test_the_recording_equals_the_file_over_a_lost_connection_and_a_killed_service(
    tmp_path: Path,
) -> None:
    environ = {"TMPDIR": str(tmp_path), "AUDIO_STORAGE_PATH": "/nowhere", "S3_BUCKET": "another"}
    done = run("demo", "--pause", "0.01", environ=environ)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert [name for name, _ in lines] == [
        "service", "file", "session", "fault", "fault", "recording", "receipt", "result",
    ]  # fmt: skip
    told = dict(lines)
    assert told["receipt"] == "verified"
    assert told["result"].startswith("every sample")
    assert list(tmp_path.iterdir()) == []


def test_the_speech_is_that_of_the_tests() -> None:
    assert demo.SPEECH.read_bytes() == SPEECH.read_bytes()
