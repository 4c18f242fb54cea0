"""Server processes on loopback, ready when they say so, ended when the measurement is."""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

_RUNNING = re.compile(r"Uvicorn running on http://127\.0\.0\.1:(\d+)")

# All load comes from one address.
_NO_RATES = {"MAX_HANDSHAKES_PER_MINUTE": "0", "MAX_NEW_SESSIONS_PER_MINUTE": "0"}


@contextlib.contextmanager
def server(
    *arguments: str, environ: Mapping[str, str] | None = None, log: Path | None = None
) -> Iterator[tuple[int, psutil.Process]]:
    """Run ``python`` with ``arguments`` until the block ends; gives its port and process.

    What it logs once it runs goes to ``log``, if given.
    """
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **_NO_RATES, **(environ or {}), "LOG_LEVEL": "info"},
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if match := _RUNNING.search(line):
                break
        else:
            raise RuntimeError(f"{arguments} did not start")
        # What it logs later may be nobody's concern, but must not fill the pipe.
        with (log or Path(os.devnull)).open("wb") as sink:
            drain = subprocess.Popen(["cat"], stdin=process.stderr, stdout=sink)
        yield int(match[1]), psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()
    drain.wait()


def cpu_nanoseconds(pid: int) -> int:
    """CPU time of all threads that are alive, from the scheduler (finer than clock ticks)."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
