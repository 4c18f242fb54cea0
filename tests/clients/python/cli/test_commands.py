"""The script of the client's distribution, with the commands of both distributions."""

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sercuescribe_client.cli.commands import main
from tests.api.cli.command import run

_ROOT = Path(__file__).parents[4]
_PROJECTS = [_ROOT, _ROOT / "clients" / "python"]
_SERVICE = {"serve", "settings", "doctor", "key", "bucket", "reindex", "verify", "webhooks"} | {
    "migrate",
    "export",
    "gc",
}
_CLIENT = {"record", "sessions", "download", "delete", "listen", "demo"}


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate that both distributions are installed, from their pyproject.toml."""
    table: dict[str, str] = {}
    for folder in _PROJECTS:
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        table |= project["entry-points"]["sercuescribe.commands"]
    entries = importlib.metadata.EntryPoints(
        importlib.metadata.EntryPoint(name, value, "sercuescribe.commands")
        for name, value in table.items()
    )
    monkeypatch.setattr("sercuescribe_client.cli.commands.entry_points", entries.select)


def test_the_script_has_the_commands_of_both_distributions() -> None:
    context = click.Context(main)
    assert set(main.list_commands(context)) == _SERVICE | _CLIENT
    for name in _SERVICE | _CLIENT:
        command = main.get_command(context, name)
        assert command is not None
        assert command.name == name
    assert main.get_command(context, "unknown") is None


def test_help_lists_every_command() -> None:
    printed = CliRunner().invoke(main, ["--help"]).output
    assert all(f"\n  {name} " in printed for name in _SERVICE | _CLIENT)


def test_only_the_client_installs_the_script() -> None:
    service, client = (
        tomllib.loads((folder / "pyproject.toml").read_text())["project"] for folder in _PROJECTS
    )
    assert client["scripts"] == {"sercuescribe": "sercuescribe_client.cli.commands:main"}
    assert "scripts" not in service
    assert any(each.startswith("sercuescribe-client") for each in service["dependencies"])


def test_recording_does_not_import_the_service() -> None:
    program = (
        "import sys, sercuescribe_client.cli.record;"
        "print([name for name in sys.modules if name.split('.')[0] in {'api', 'storage'}])"
    )
    sources = os.pathsep.join((str(_ROOT), str(_PROJECTS[1] / "src")))
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": sources},
        check=True,
    )
    assert done.stdout == "[]\n"


def test_version_names_the_service_and_the_client() -> None:
    printed = run("--version").stdout
    number = r"version \d+\.\d+\.\d+\n"
    assert re.fullmatch(f"sercuescribe, {number}sercuescribe-client, {number}", printed)
