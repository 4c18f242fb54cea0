"""Completion of commands and options in bash, zsh and fish, as the README sets it up."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.python.cli.command import PROGRAM, SOURCES

# Each defines `complete_line`, which prints what the shell offers for the line "sercuescribe …".
_BASH = """
eval "$(_SERCUESCRIBE_COMPLETE=bash_source sercuescribe)"
COMP_WORDS=(sercuescribe {words}) COMP_CWORD={last}
_sercuescribe_completion sercuescribe
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
_ZSH = """
compdef() {{ }}  # compinit defines it
_describe() {{ print -l -- ${{(P)3}} }}
compadd() {{ print -l -- ${{completions}} }}
eval "$(_SERCUESCRIBE_COMPLETE=zsh_source sercuescribe)"
words=(sercuescribe {words}) CURRENT=$(({last} + 1))
_sercuescribe_completion
"""
_FISH = """
_SERCUESCRIBE_COMPLETE=fish_source sercuescribe | source
complete --do-complete "sercuescribe {words}"
"""


def complete(folder: Path, shell: str, *words: str) -> list[str]:
    """Return what the shell offers for the last word, without descriptions."""
    script = folder / "sercuescribe"
    command = shlex.join([sys.executable, "-c", PROGRAM])
    script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    script.chmod(0o755)
    environ = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": SOURCES}
    template, options = {
        "bash": (_BASH, ["--norc"]),
        "zsh": (_ZSH, ["-f"]),
        "fish": (_FISH, ["--no-config"]),
    }[shell]
    code = template.format(words=" ".join(words), last=len(words))
    done = subprocess.run(
        [shell, *options, "-c", code],
        env={**environ, "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return [line.partition("\t")[0].partition(":")[0] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_commands_and_options_are_completed(shell: str, tmp_path: Path) -> None:
    assert complete(tmp_path, shell, "rec") == ["record"]
    assert complete(tmp_path, shell, "sessions", "lis") == ["list"]
    assert complete(tmp_path, shell, "record", "--rec") == ["--recursive"]
