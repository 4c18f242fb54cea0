"""The commands of the examples' README, run unchanged."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

from tests.examples.program import EXAMPLES, ROOT
from tests.service import Service

README = (EXAMPLES / "README.md").read_text()


def commands(program: str) -> Iterator[list[str]]:
    """Yield the arguments of each command that calls ``program`` of ``.venv``."""
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL):
        for line in block.splitlines():
            words = shlex.split(line)
            if words[0] == f".venv/bin/{program}":
                yield words[1:]


def run(*command: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "clients/python/src"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_transcriber_prints_the_lines_of_the_readme(service: Service) -> None:
    (record,) = commands("sercuescribe")
    *_, line = run("-m", "sercuescribe_client", *record, "--server", service.url)
    (transcribe,) = (words for words in commands("python") if "transcriber" in words[0])
    assert transcribe.pop() == "SESSION_ID"
    printed = run(*transcribe, line.split()[0], "--url", service.url)
    (told,) = re.findall(r"```\n( +\d.*?)```", README, re.DOTALL)
    assert [line for line in told.splitlines() if line not in printed] == []
    assert printed[-1] == told.splitlines()[-1]


def test_every_example_has_a_section_in_the_readme() -> None:
    headings = set(re.findall(r"^## `(.+?)`", README, re.MULTILINE))
    assert headings == {path.name for path in EXAMPLES.glob("*.*")} - {"README.md"}
