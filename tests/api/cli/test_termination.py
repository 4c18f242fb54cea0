"""SIGTERM ends the service with 0 at any moment of its start."""

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import psutil
import pytest

from tests.eventually import eventually

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[3]
_AS_PROCESS_1 = ("unshare", *(("--user",) if os.geteuid() else ()), "--pid", "--fork")


async def start(folder: Path, **environ: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "api.cli", "serve", "--port", "0",
        stderr=PIPE, env={**os.environ, "AUDIO_STORAGE_PATH": str(folder), **environ},
    )  # fmt: skip


def handles_sigterm(pid: int, mask: str = "SigCgt") -> bool:
    """Return whether the process has a handler; ``SigBlk``: blocks it (proc_pid_status(5))."""
    status = Path(f"/proc/{pid}/status").read_text()
    (signals,) = (line.split()[1] for line in status.splitlines() if line.startswith(mask))
    return bool(int(signals, 16) >> (signal.SIGTERM - 1) & 1)


def command_of_the_image() -> list[str]:
    """Return the command of the Dockerfile, with this Python and any port of loopback."""
    (command,) = re.findall(r"^CMD (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    replaced = {"python": sys.executable, "0.0.0.0": "127.0.0.1", "8000": "0"}
    return [replaced.get(word, word) for word in json.loads(command)]


async def test_sigterm_ends_the_service_before_it_has_done_anything(tmp_path: Path) -> None:
    # The first package that it imports takes for ever.
    (tmp_path / "click.py").write_text("import time; time.sleep(1000)")
    process = await start(tmp_path / "recordings", PYTHONPATH=str(tmp_path))
    await eventually(lambda: handles_sigterm(process.pid), awaiting="a handler of SIGTERM")
    process.terminate()
    _, log = await process.communicate()
    assert (process.returncode, log) == (0, b"")
    assert not (tmp_path / "recordings").exists()


@pytest.mark.parametrize("line", [b"ffmpeg found", b"Started server process", b"Open http"])
async def test_sigterm_ends_the_service_while_it_starts(tmp_path: Path, line: bytes) -> None:
    process = await start(tmp_path)
    assert process.stderr is not None
    async for logged in process.stderr:
        if line in logged:
            process.terminate()
            break
    await process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize("delay_seconds", [0, 0.02, 0.05, 0.1, 0.2, 0.4])
async def test_sigterm_ends_the_image_at_any_moment_of_its_start(
    tmp_path: Path, delay_seconds: float
) -> None:
    """There the service is process 1: the kernel drops signals that it does not handle."""
    unshare = await asyncio.create_subprocess_exec(
        *_AS_PROCESS_1, *command_of_the_image(),
        stderr=PIPE, env={**os.environ, "AUDIO_STORAGE_PATH": str(tmp_path)},
    )  # fmt: skip
    children = psutil.Process(unshare.pid).children
    await eventually(children, awaiting="process 1")
    (first,) = children()
    await eventually(
        lambda: handles_sigterm(first.pid, "SigBlk") or handles_sigterm(first.pid),
        awaiting="env(1)",
    )
    await asyncio.sleep(delay_seconds)
    first.terminate()
    try:
        async with asyncio.timeout(60):
            await unshare.communicate()
    finally:
        if unshare.returncode is None:
            first.kill()
            await unshare.wait()
    assert unshare.returncode == 0
