"""The Helm chart, rendered by Helm."""

import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "infra" / "helm" / "sercuescribe"
_HELM = Path(sys.executable).parent / "helm"

Object = dict[str, Any]


def helm(*arguments: str, values: Object | None = None) -> "subprocess.CompletedProcess[str]":
    """Run Helm, with ``values`` for a chart."""
    if not _HELM.exists():
        raise RuntimeError("there is no Helm: run `make .venv/.helm`")
    return subprocess.run(
        [str(_HELM), *arguments, *([] if values is None else ["--values", "-"])],
        input=yaml.safe_dump(values), capture_output=True, text=True, check=False,
    )  # fmt: skip


def render(values: Object, release: str = "rec") -> list[Object]:
    """Return the objects of the chart; raises ``ValueError`` with Helm's text if it refuses."""
    return [each for each in yaml.safe_load_all(_rendered(release, json.dumps(values))) if each]


@functools.cache
def _rendered(release: str, values: str) -> str:
    arguments = ("template", release, str(CHART), "--namespace", "audio")
    rendered = helm(*arguments, values=json.loads(values))
    if rendered.returncode:
        raise ValueError(rendered.stderr)
    return rendered.stdout


def one(objects: list[Object], kind: str, suffix: str = "") -> Object:
    """Return the only object of the kind whose name has the suffix."""
    named = [
        each
        for each in objects
        if each["kind"] == kind and each["metadata"]["name"].endswith(suffix)
    ]
    assert len(named) == 1, [each["metadata"]["name"] for each in named]
    return named[0]


def container(objects: list[Object]) -> Object:
    """Return the container of the nodes."""
    (found,) = one(objects, "StatefulSet")["spec"]["template"]["spec"]["containers"]
    return dict(found)


def variables(objects: list[Object]) -> dict[str, Any]:
    """Return the variables of the nodes: the value, or where it comes from."""
    listed = container(objects)["env"]
    names = [each["name"] for each in listed]
    assert len(names) == len(set(names))
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in listed}
