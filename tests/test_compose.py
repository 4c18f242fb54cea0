"""The commands of infra/README.md start services whose settings the service accepts."""

import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

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
        for name, service in yaml.safe_load(path.read_text())["services"].items():
            if name in merged or service.get("image") == "sercuescribe":
                listed = dict(_resolved(service.get("environment", []), variables))
                merged[name] = merged.get(name, {}) | listed
    return merged


def _resolved(lines: list[str], variables: Mapping[str, str]) -> Any:
    def value(match: re.Match[str]) -> str:
        name, kind, text = match.groups()
        if kind == "?" and not variables.get(name):
            raise KeyError(f"{name}: {text}")
        return variables.get(name) or (text if kind == "-" else "")

    for line in lines:
        name, is_set, text = line.partition("=")
        if is_set:
            yield name, _REFERENCE.sub(value, text)
        elif name in variables:
            yield name, variables[name]


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


def test_several_nodes_need_a_signing_secret() -> None:
    (command,) = (command for command in COMMANDS if "compose.cluster.yml" in command)
    without_file = command.replace("--env-file infra/s3.env ", "")
    with pytest.raises(KeyError, match="SIGNING_SECRET: nodes sign their addresses with it"):
        environments(without_file, {})
    secret = "s" * 32
    nodes = environments(without_file, {"SIGNING_SECRET": secret})
    assert {nodes[name]["SIGNING_SECRET"] for name in ("app", "node-2", "node-3")} == {secret}
