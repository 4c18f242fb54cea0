"""Tries on a folder what recording into it rests on. May run beside the service."""

import asyncio
import fcntl
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from storage import files
from storage.base import Finding

_GIBIBYTE = 1024**3


async def examine(folder: Path) -> AsyncIterator[Finding]:
    """Yield the result of each check. Stop after a folder that cannot be written."""
    try:
        await asyncio.to_thread(_try_files, folder)
    except OSError as error:
        advice = "give the service a folder on a local file system that it may write"
        yield Finding("folder", "fail", f"{folder}: {error}", advice)
        return
    yield Finding("folder", "pass", str(folder))
    free_bytes = shutil.disk_usage(folder).free
    detail = f"{free_bytes / _GIBIBYTE:.1f} GiB free"
    if free_bytes < _GIBIBYTE:
        advice = "make room: CD quality takes 0.6 GiB an hour"
        yield Finding("space", "note", detail, advice)
    else:
        yield Finding("space", "pass", detail)


def _try_files(folder: Path) -> None:
    """Try to lock, write, sync, rename and remove files. Raises ``OSError``."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".probe-", dir=folder) as probe:
        with (Path(probe) / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        files.replace(Path(probe) / "file", b"written to see whether it can be\n")
