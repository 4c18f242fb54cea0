"""Run the command line of the client as a separate process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

from tests.service import Service

_ROOT = Path(__file__).parents[4]
SOURCES = os.pathsep.join(map(str, (_ROOT, _ROOT / "clients" / "python" / "src")))


def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
    """Start ``sercuescribe`` with the client's commands only."""
    command, options = _command(arguments, options)
    return subprocess.Popen(command, text=True, **options)


def start_binary(*arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start ``sercuescribe`` with output of bytes."""
    command, options = _command(arguments, options)
    return subprocess.Popen(command, **options)


def _command(
    arguments: tuple[str | Path, ...], options: dict[str, Any]
) -> tuple[list[str | Path], dict[str, Any]]:
    environ = {**os.environ, "PYTHONPATH": SOURCES, **options.pop("environ", {})}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return command, {**pipes, "env": environ, **options}


def run(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    data = options.pop("input", None)
    with start(*arguments, **options) as process:
        out, err = process.communicate(data, timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def events(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


def results(printed: str) -> list[dict[str, Any]]:
    """Return the events, without those that tell that a slow service is waited for."""
    return [each for each in events(printed) if each["event"] != "connecting"]


def next_event(stdout: IO[str] | None, name: str) -> dict[str, Any]:
    """Return the next line of ``--json`` that tells the event ``name``; skip others."""
    assert stdout is not None
    while True:
        (event,) = events(stdout.readline())
        if event["event"] == name:
            return event


def server_environ(service: Service) -> dict[str, str]:
    return {"SERCUESCRIBE_SERVER": service.url}


# Add the commands explicitly, because the distribution need not be installed.
PROGRAM = """
from sercuescribe_client.cli import commands, delete, demo, download, listen, record, sessions
for each in (
    delete.delete, demo.demo, download.download, listen.listen, record.record, sessions.sessions
):
    commands.main.add_command(each)
commands.main(prog_name="sercuescribe")
"""
