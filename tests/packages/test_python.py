"""Both Python distributions: what they contain, and how they work where only they are installed."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import uv

_ROOT = Path(__file__).parents[2]
_CLIENT = _ROOT / "clients" / "python"
_RUNNING = re.compile(r"Uvicorn running on (http://127\.0\.0\.1:\d+)")

pytestmark = pytest.mark.timeout(300)  # packages may have to be downloaded


class Distributions(NamedTuple):
    service: Path
    service_source: Path
    client: Path
    client_source: Path


class Environment:
    """A virtual environment of its own, run without this checkout's paths."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environ = {
            k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME"}
        }
        self._uv("venv", "--quiet", "--python", sys.executable, str(folder))

    def install(self, *wheels: Path) -> None:
        pins = str(_ROOT / "requirements.lock")
        self._uv("pip", "install", *self._python, "--constraint", pins, *map(str, wheels))

    def uninstall(self, name: str) -> None:
        self._uv("pip", "uninstall", *self._python, name)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.script, *arguments],
            cwd=self._folder,
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def serve(self, recordings: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.script, "serve", "--port", "0"],
            cwd=self._folder,
            env={**self._environ, "AUDIO_STORAGE_PATH": str(recordings)},
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def script(self) -> Path:
        return self._folder / "bin" / "sercuescribe"

    @property
    def _python(self) -> tuple[str, str]:
        return "--python", str(self._folder / "bin" / "python")

    def _uv(self, *arguments: str) -> None:
        done = subprocess.run(
            [uv.find_uv_bin(), *arguments],
            cwd=self._folder.parent,
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    folder = tmp_path_factory.mktemp("dist")
    for project in (_ROOT, _CLIENT):
        command = ["-m", "build", "--no-isolation", "--outdir", str(folder), str(project)]
        done = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    paths = (
        next(folder.glob(pattern))
        for pattern in (
            "sercuescribe-*.whl",
            "sercuescribe-*.tar.gz",
            "sercuescribe_client-*.whl",
            "sercuescribe_client-*.tar.gz",
        )
    )
    return Distributions(*paths)


@pytest.fixture(scope="module")
def environment(
    distributions: Distributions, tmp_path_factory: pytest.TempPathFactory
) -> Environment:
    """Both distributions in one environment."""
    environment = Environment(tmp_path_factory.mktemp("both") / "venv")
    environment.install(distributions.service, distributions.client)
    return environment


def test_the_metadata_is_complete(distributions: Distributions) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *distributions],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("project", [_ROOT, _CLIENT], ids=["service", "client"])
def test_a_wheel_names_its_licence(project: Path, distributions: Distributions) -> None:
    wheel = distributions.service if project == _ROOT else distributions.client
    declared = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    with zipfile.ZipFile(wheel) as archive:
        (info,) = {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        metadata = archive.read(f"{info}/METADATA").decode()
        for name in declared["license-files"]:
            assert f"{info}/licenses/{name}" in archive.namelist()
    assert f"\nLicense-Expression: {declared['license']}\n" in metadata
    assert f"\nVersion: {declared['version']}\n" in metadata


@pytest.mark.parametrize("folder", ["clients/python", "clients/js"])
def test_every_package_has_the_same_licence(folder: str) -> None:
    assert (_ROOT / folder / "LICENSE").read_bytes() == (_ROOT / "LICENSE").read_bytes()


def test_the_wheel_of_the_service_has_all_that_browsers_load(distributions: Distributions) -> None:
    assert (_ROOT / "web" / "vendor").is_dir(), "run `make assets` first"
    files = (path for name in ("web", "clients/js") for path in (_ROOT / name).rglob("*"))
    expected = {path.relative_to(_ROOT).as_posix() for path in files if path.is_file()}
    assert "web/vendor/swagger-ui.css" in expected
    with zipfile.ZipFile(distributions.service) as wheel:
        packed = {name for name in wheel.namelist() if name.startswith(("web/", "clients/"))}
    assert packed == expected


def test_the_source_distributions_have_no_file_of_other_folders(
    distributions: Distributions,
) -> None:
    for archive, folders in (
        (distributions.service_source, {"api", "storage", "clients", "web", "docs"}),
        (distributions.client_source, {"src"}),
    ):
        with tarfile.open(archive) as opened:
            names = [name.split("/")[1:] for name in opened.getnames()]
        assert {parts[0] for parts in names if len(parts) > 1} == folders
        assert ["clients", "python", "README.md"] not in names


def test_the_command_works_where_both_are_installed(environment: Environment) -> None:
    assert re.fullmatch(
        r"sercuescribe, version [\d.]+\nsercuescribe-client, version [\d.]+\n",
        environment.run("--version").stdout,
    )
    settings = environment.run("settings")
    assert settings.returncode == 0, settings.stderr
    assert "MAX_CONCURRENT_SESSIONS=" in settings.stdout


def test_the_installed_service_serves_the_page_and_its_files(
    environment: Environment, tmp_path: Path
) -> None:
    with environment.serve(tmp_path / "recordings") as process:
        try:
            assert process.stderr is not None
            started: Iterator[re.Match[str]] = filter(None, map(_RUNNING.search, process.stderr))
            url = next(started)[1]
            for path, source in (
                ("/client.js", "clients/js/sercuescribe.js"),
                ("/client/session-client.js", "clients/js/client/session-client.js"),
                ("/page/main.js", "web/page/main.js"),
                ("/vendor/swagger-ui.css", "web/vendor/swagger-ui.css"),
                ("/vendor/redoc.standalone.js", "web/vendor/redoc.standalone.js"),
            ):
                assert _fetch(url + path) == (_ROOT / source).read_bytes()
            assert b"<title>SercueScribe</title>" in _fetch(f"{url}/")
        finally:
            process.terminate()
            process.communicate(timeout=30)
    assert process.returncode == 0


def test_uninstalling_the_service_leaves_the_commands_of_the_client(
    distributions: Distributions, tmp_path: Path
) -> None:
    environment = Environment(tmp_path / "venv")
    environment.install(distributions.client, distributions.service)
    environment.uninstall("sercuescribe")
    assert environment.run("record", "--help").returncode == 0
    assert environment.run("--version").stdout.startswith("sercuescribe-client, version ")
    refused = environment.run("serve")
    assert refused.returncode == 2
    assert "No such command 'serve'" in refused.stderr


def _fetch(url: str) -> bytes:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=30) as file:
        return bytes(file.read())
