"""The ``sercuescribe`` command, which two distributions provide."""

import importlib.metadata
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from api.cli.main import main as of_the_service
from sercuescribe_client.cli.commands import main as of_the_client

_ROOT = Path(__file__).parents[4]
_PROJECTS = [_ROOT, _ROOT / "clients" / "python"]
_SERVICE = {"serve", "settings", "doctor", "key", "bucket"}
_CLIENT = {"record", "sessions", "download"}


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
    for module in ("api.cli.main", "sercuescribe_client.cli.commands"):
        monkeypatch.setattr(f"{module}.entry_points", entries.select)


@pytest.mark.parametrize("main", [of_the_service, of_the_client])
def test_each_script_has_the_commands_of_both_distributions(main: click.Group) -> None:
    context = click.Context(main)
    assert set(main.list_commands(context)) == _SERVICE | _CLIENT
    for name in _SERVICE | _CLIENT:
        command = main.get_command(context, name)
        assert command is not None
        assert command.name == name
    assert main.get_command(context, "unknown") is None


@pytest.mark.parametrize("main", [of_the_service, of_the_client])
def test_help_lists_the_commands_of_both_distributions(main: click.Group) -> None:
    printed = CliRunner().invoke(main, ["--help"]).output
    assert all(f"\n  {name} " in printed for name in _SERVICE | _CLIENT)


def test_both_distributions_define_the_script() -> None:
    for folder in _PROJECTS:
        project: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        assert list(project["scripts"]) == ["sercuescribe"]


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
