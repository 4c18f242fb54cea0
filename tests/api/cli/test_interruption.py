"""Ctrl-C and SIGTERM while a command of the operator runs."""

import filecmp
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storage.local import LocalStorage
from tests.api.cli.command import run
from tests.eventually import eventually
from tests.storage.archives import record

pytestmark = pytest.mark.engine

# Cancelled, it cleans up; with an argument, that never ends.
_PROGRAM = """
import asyncio, sys
from api.cli.interruption import run_until_interrupted

async def main():
    try:
        print("running", flush=True)
        await asyncio.Event().wait()
    finally:
        print("cleaning up", flush=True)
        if len(sys.argv) > 1:
            await asyncio.Event().wait()

run_until_interrupted(main(), hint="run the command again")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("hangs", [False, True], ids=["cleans up", "hangs"])
def test_a_signal_ends_a_command_after_its_cleanup_and_a_second_one_at_once(
    number: signal.Signals, hangs: bool
) -> None:
    command = [sys.executable, "-c", _PROGRAM, *(["hangs"] if hangs else [])]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(number)
        assert process.stdout.readline() == "cleaning up\n"
        if hangs:
            process.send_signal(number)
        assert process.wait(timeout=30) == 130
        expected = "" if hangs else "sercuescribe: interrupted; run the command again\n"
        assert process.stderr.read() == expected


async def test_an_export_that_was_interrupted_leaves_nothing_and_goes_on_later(
    tmp_path: Path,
) -> None:
    storage = LocalStorage(tmp_path / "recordings", sync_interval_seconds=3600)
    await storage.start()
    # A copy of it takes long enough to be interrupted.
    long = await record(storage, bytes(200_000_000), user_id="alice")
    await storage.stop()
    recordings, folder = {"AUDIO_STORAGE_PATH": str(tmp_path / "recordings")}, tmp_path / "alice"
    command = [sys.executable, "-m", "api.cli", "export", "alice", str(folder)]
    with subprocess.Popen(
        command, env={**os.environ, **recordings}, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        await eventually(lambda: list(folder.glob(".*.tmp")), awaiting="a copy that has begun")
        process.send_signal(signal.SIGTERM)
        assert process.stderr.read() == (
            "sercuescribe: interrupted; run the command again to copy the rest\n"
        )
    assert process.returncode == 130
    assert not list(folder.glob(".*.tmp"))
    assert not list(folder.glob("*.json"))
    again = run("export", "alice", str(folder), **recordings)
    assert again.stdout == "copied=1 changed=0 present=0 active=0 failed=0\n"
    name = f"{long.session_id}.wav"
    assert filecmp.cmp(folder / name, tmp_path / "recordings" / name, shallow=False)
