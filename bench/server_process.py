"""Server processes on loopback that run for the duration of a ``with`` block."""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

_RUNNING = re.compile(r"Uvicorn running on http://127\.0\.0\.1:(\d+)")

# All load comes from one address, which the default rate limits would refuse.
_NO_RATE_LIMITS = {"MAX_HANDSHAKES_PER_MINUTE": "0", "MAX_NEW_SESSIONS_PER_MINUTE": "0"}


@contextlib.contextmanager
def run_server(
    *arguments: str, environ: Mapping[str, str] | None = None, log: Path | None = None
) -> Iterator[tuple[int, psutil.Process]]:
    """Run ``python`` with ``arguments`` until the block ends; yield its port and process.

    If ``log`` is given, the log of the running server goes to that file.
    """
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **_NO_RATE_LIMITS, **(environ or {}), "LOG_LEVEL": "info"},
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if match := _RUNNING.search(line):
                break
        else:
            raise RuntimeError(f"{arguments} did not start")
        # Read the pipe, because a full pipe would block the server.
        with (log or Path(os.devnull)).open("wb") as sink:
            drain = subprocess.Popen(["cat"], stdin=process.stderr, stdout=sink)
        yield int(match[1]), psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()
    drain.wait()


def run_service(
    environ: Mapping[str, str],
) -> contextlib.AbstractContextManager[tuple[int, psutil.Process]]:
    """Run the service with these variables until the block ends; yield its port and process."""
    return run_server("-m", "api.cli", "serve", "--port", "0", environ=environ)


def cpu_nanoseconds(pid: int) -> int:
    """Return the CPU time of all live threads, from the scheduler (finer than clock ticks)."""
    return sum(thread_nanoseconds(pid).values())


def thread_nanoseconds(pid: int) -> dict[str, int]:
    """Return the CPU time of each live thread, by its id."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return {task.name: int((task / "schedstat").read_text().split()[0]) for task in tasks}
