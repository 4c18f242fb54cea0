"""The examples of the client's README, extracted from its text and run unchanged."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sercuescribe_client.cli import exit_codes
from tests.audio import SPEECH, speech
from tests.clients.python.cli.command import run
from tests.service import Service

_ROOT = Path(__file__).parents[3]
_README = (_ROOT / "clients" / "python" / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", _README, re.DOTALL)


def run_program(program: str, *arguments: str | Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_ROOT / "clients" / "python" / "src")},
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_every_readme_program_runs(start_service: pytest.FixtureRequest, tmp_path: Path) -> None:
    service: Service = start_service()  # type: ignore[operator]
    record, watch, synchronous, tidy = blocks("python")
    session_id, seconds = run_program(record, service.url, SPEECH)[0].split()
    assert service.pcm(session_id) == speech()[44:]
    assert float(seconds) == pytest.approx(4.77, abs=0.01)
    assert run_program(watch, service.url)[-1] == "100 acknowledged, 100 of them persisted"
    other_id, _ = run_program(synchronous, service.url, SPEECH)[0].split()
    assert service.pcm(other_id) == speech()[44:]
    printed = run_program(tidy, service.url, tmp_path)
    assert len(printed) == 6
    assert printed[1::2] == ["session_not_found"] * 3
    assert (tmp_path / f"{session_id}.wav").read_bytes()[80:] == speech()[44:]


def test_every_readme_command_runs(service: Service) -> None:
    lines = [line.partition("#")[0] for line in blocks("sh")[1].splitlines()]
    variable, _, _ = lines[0].removeprefix("export ").partition("=")
    for line in lines[1:]:
        name, *arguments = line.split()
        assert name == "sercuescribe"
        done = run(*arguments, cwd=_ROOT, environ={variable: service.url})
        assert done.returncode == 0, done.stderr


def test_every_exit_code_is_listed() -> None:
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", _README, re.MULTILINE)}
    assert told == {value for value in vars(exit_codes).values() if isinstance(value, int)}
