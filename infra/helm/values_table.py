#!/usr/bin/env python3
"""Write the table of values into the README of the chart, from the comments of values.yaml."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent / "sercuescribe"
_BEGIN, _END = "<!-- values -->\n", "<!-- end of values -->\n"
_LINE = re.compile(r"^( *)(# -- (?P<text>.*)|(?P<key>\w+):.*)$")


def described_values(text: str) -> Iterator[tuple[str, Any, str]]:
    """Yield the dotted path, the default and the description of each value of values.yaml."""
    defaults = yaml.safe_load(text)
    path: list[str] = []
    description = ""
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        if match["text"]:
            description = match["text"]
            continue
        depth = len(match[1]) // 2
        path = [*path[:depth], match["key"]]
        if description:
            default = defaults
            for key in path:
                default = default[key]
            yield ".".join(path), default, description
        description = ""


def with_table(readme: str, values: str) -> str:
    """Return ``readme`` with the table of ``values`` between its two marks."""
    rows = ["| value | default | meaning |", "|---|---|---|"]
    for path, default, description in described_values(values):
        rows.append(f"| `{path}` | `{json.dumps(default)}` | {description} |")
    before, rest = readme.split(_BEGIN)
    _, after = rest.split(_END)
    return f"{before}{_BEGIN}{chr(10).join(rows)}\n{_END}{after}"


if __name__ == "__main__":
    readme_path = CHART / "README.md"
    readme_path.write_text(with_table(readme_path.read_text(), (CHART / "values.yaml").read_text()))
