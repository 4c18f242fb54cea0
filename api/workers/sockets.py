"""The Unix sockets of the workers, in a folder that only the user of the service can enter."""

import asyncio
import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from storage.worker import WORKERS

# In the state of the scope of a request. That a request has no address of a client does not tell
# where it came from: a TCP connection that the client has reset has none either.
FROM_WORKER = "sercuescribe.from_worker"

_START_SECONDS = 5.0  # for which a request waits for a worker that has sessions and starts
_LOOK_SECONDS = 0.02


def is_from_worker(scope: Mapping[str, Any]) -> bool:
    """Return whether the ASGI request came over the Unix socket of a worker."""
    return FROM_WORKER in scope.get("state", ())


class WorkerSockets:
    """The paths of the sockets of all workers of a service."""

    def __init__(self, storage_folder: Path) -> None:
        """Create the folder. Raises ``OSError``."""
        folder = storage_folder / WORKERS
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        # The path of a socket has at most 107 bytes (unix(7)). The path by way of the descriptor
        # is short, however long that of the folder is.
        self._folder = Path(f"/proc/self/fd/{os.open(folder, os.O_RDONLY | os.O_DIRECTORY)}")

    def http(self, number: int) -> Path:
        """Return where a worker answers HTTP requests of other workers."""
        return self._folder / f"{number}.http"

    async def serving(self, number: int) -> Path:
        """Return `http` as soon as the worker answers there, or after five seconds.

        A worker that starts takes sessions up before it serves.
        """
        path = self.http(number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_SECONDS):
                while not path.exists():  # noqa: ASYNC110 - another process makes it
                    await asyncio.sleep(_LOOK_SECONDS)
        return path

    def connections(self, number: int) -> Path:
        """Return where a worker takes connections of clients from other workers."""
        return self._folder / f"{number}.connections"

    def numbers(self) -> list[int]:
        """Return the numbers of the workers that run, in order. Block for microseconds."""
        names = [path.stem for path in self._folder.glob("*.http")]
        return sorted(int(each) for each in names if each.isdecimal())

    def remove(self, number: int) -> None:
        """Remove the sockets of a worker that has ended."""
        for path in (self.http(number), self.connections(number)):
            path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove what the workers of an earlier service have left. No worker may run."""
        for path in self._folder.iterdir():
            path.unlink()
