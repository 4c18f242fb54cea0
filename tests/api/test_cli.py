"""The command line."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.service import Service


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api.cli", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environ},
        check=False,
        timeout=30,
    )


def test_settings_prints_every_variable_with_its_value_and_meaning() -> None:
    printed = run("settings", MAX_CONCURRENT_SESSIONS="7")
    assert printed.returncode == 0
    assert "MAX_CONCURRENT_SESSIONS=7 (default: 100)\n    Active sessions" in printed.stdout
    assert "DEFAULT_FORMAT=wav\n" in printed.stdout


@pytest.mark.parametrize("command", ["settings", "serve"])
def test_a_bad_setting_ends_the_command_with_a_message(command: str) -> None:
    refused = run(command, DEFAULT_CHANNELS="5")
    assert refused.returncode == 1
    assert refused.stderr == (
        "sercuescribe: DEFAULT_CHANNELS='5' is not valid: expected one of 1, 2\n"
    )


def test_a_folder_in_use_ends_the_second_server_with_its_reason(
    start_service: Callable[..., Service],
) -> None:
    first = start_service()
    second = run("serve", "--port", "0", AUDIO_STORAGE_PATH=str(first.folder))
    assert second.returncode == 1
    assert second.stderr.splitlines()[-1] == (
        f"sercuescribe: {first.folder} is in use by another process; one folder has one writer"
    )


def test_a_port_in_use_ends_the_server(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = run("serve", "--port", port, AUDIO_STORAGE_PATH=str(tmp_path))
    assert refused.returncode != 0
    assert "address already in use" in refused.stderr


def test_sigterm_is_an_orderly_end(start_service: Callable[..., Service]) -> None:
    assert start_service().stop() == 0


def test_version() -> None:
    assert run("--version").stdout.startswith("python -m api.cli, version 0.")
