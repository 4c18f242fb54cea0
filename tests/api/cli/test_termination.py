"""SIGTERM ends the service with 0 at any moment of its start."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from tests.eventually import eventually


async def start(folder: Path) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "api.cli", "serve", "--port", "0",
        stderr=PIPE, env={**os.environ, "AUDIO_STORAGE_PATH": str(folder)},
    )  # fmt: skip


def handles_sigterm(pid: int) -> bool:
    """Return whether the process has a handler (proc_pid_status(5), ``SigCgt``)."""
    status = Path(f"/proc/{pid}/status").read_text()
    (caught,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


async def test_sigterm_ends_the_service_before_it_has_done_anything(tmp_path: Path) -> None:
    process = await start(tmp_path / "recordings")
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
