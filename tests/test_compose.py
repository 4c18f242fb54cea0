"""The commands of infra/README.md start services whose settings the service accepts."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.settings import Settings, describe
from tests import engines
from tests.parameters import long_except_first
from tests.service import Service

ROOT = Path(__file__).parent.parent
README = (ROOT / "infra" / "README.md").read_text()
# Without the one that takes a file of the reader.
COMMANDS = [
    command
    for command in re.findall(r"^docker compose (?:.* )?up -d --build$", README, re.MULTILINE)
    if "my.env" not in command
]
_REFERENCE = re.compile(r"\$\{([A-Z0-9_]+)(?::([-?])([^}]*))?\}")

Environments = dict[str, dict[str, str]]


def environments(command: str, shell: Mapping[str, str]) -> Environments:
    """Return what each service of the image gets as environment, as Docker Compose computes it.

    Raises ``KeyError`` for a variable that a file requires and that is not set.
    """
    words = shlex.split(command)
    options = [(words[i], ROOT / words[i + 1]) for i in range(len(words) - 1)]
    variables: dict[str, str] = {}
    for option, path in options:
        if option == "--env-file":
            lines = (line for line in path.read_text().splitlines() if not line.startswith("#"))
            variables |= dict(line.split("=", 1) for line in lines if line)
    variables |= shell
    files = [path for option, path in options if option == "-f"] or [ROOT / "docker-compose.yml"]
    merged: Environments = {}
    for path in files:
        content = yaml.safe_load(path.read_text())
        for reference in content.get("x-required", []):
            _interpolated(reference, variables)
        for name, service in content["services"].items():
            if "extends" in service:
                template = service["extends"]
                assert template["service"] == "sercuescribe"
                listed = dict(_resolved(_template(template["file"])["environment"], variables))
                merged[name] = merged.get(name, {}) | listed
            if name in merged:
                merged[name] |= dict(_resolved(service.get("environment", []), variables))
    return merged


def _template(file: str) -> Any:
    return yaml.safe_load((ROOT / file).read_text())["services"]["sercuescribe"]


def _resolved(lines: list[str], variables: Mapping[str, str]) -> Any:
    for line in lines:
        name, is_set, text = line.partition("=")
        if is_set:
            yield name, _interpolated(text, variables)
        elif name in variables:
            yield name, variables[name]


def _interpolated(text: str, variables: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name, kind, word = match.groups()
        if kind == "?" and not variables.get(name):
            raise KeyError(f"{name}: {word}")
        return variables.get(name) or (word if kind == "-" else "")

    return _REFERENCE.sub(value, text)


def test_the_readme_has_these_commands() -> None:
    assert len(COMMANDS) == 4


@pytest.mark.parametrize("command", long_except_first(COMMANDS))
def test_each_command_starts_services_that_are_ready(
    start_service: Callable[..., Service], moto_url: str, command: str
) -> None:
    for environment in environments(command, {}).values():
        del environment["AUDIO_STORAGE_PATH"]
        if "S3_ENDPOINT_URL" in environment:
            environment |= {"S3_ENDPOINT_URL": moto_url, "S3_BUCKET": engines.BUCKET}
        service = start_service(**environment)
        assert service.get("/health/ready").json()["status"] == "ready"
        assert service.get("/health").json()["status"] == "ok"


def test_several_nodes_need_a_signing_secret_and_a_bucket() -> None:
    (command,) = (command for command in COMMANDS if "compose.cluster.yml" in command)
    without_file = command.replace("--env-file infra/s3.env ", "")
    secret = "s" * 32
    with pytest.raises(KeyError, match="SIGNING_SECRET: nodes sign their addresses with it"):
        environments(without_file, {"S3_BUCKET": "recordings"})
    with pytest.raises(KeyError, match="S3_BUCKET: nodes share a bucket"):
        environments(without_file, {"SIGNING_SECRET": secret})
    nodes = environments(without_file, {"SIGNING_SECRET": secret, "S3_BUCKET": "recordings"})
    assert {nodes[name]["SIGNING_SECRET"] for name in ("app", "node-2", "node-3")} == {secret}


def test_every_setting_reaches_the_service() -> None:
    values = {setting.variable: "x" for setting in describe(Settings())}
    (command,) = (
        command for command in COMMANDS if "-f" not in command and "s3.env" not in command
    )
    environment = environments(command, values)["app"]
    # The folder is that of the volume, and each node has a URL of its own.
    assert values.keys() - environment.keys() == {"NODE_URL"}
    assert {name for name in values if environment.get(name) != "x"} == {
        "AUDIO_STORAGE_PATH",
        "NODE_URL",
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_podman_compose_reads_the_files(tmp_path: Path, command: str) -> None:
    podman = tmp_path / "podman"  # podman-compose asks for its version first
    podman.write_text("#!/bin/sh\necho podman version 5.4.2\n")
    podman.chmod(0o755)
    words = shlex.split(command)
    options = words[words.index("compose") + 1 : words.index("up")]
    podman_compose = [sys.executable, "-m", "podman_compose", "--podman-path", str(podman)]
    read = subprocess.run(
        [*podman_compose, *options, "config"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert {"app"} <= yaml.safe_load(read.stdout)["services"].keys()
