"""Processes of the service whose code is that of any release."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import requests

from tests.ports import reserve_ports

_ROOT = Path(__file__).parents[1]
_MAX_SECONDS = 60.0


class Node:
    """A process of the service, whose release can be replaced."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        (self.port,) = reserve_ports(1)
        self._variables = {
            **os.environ,
            "AUDIO_STORAGE_PATH": str(folder),
            "NODE_URL": self.url,
            "MAX_HANDSHAKES_PER_MINUTE": "0",
            **variables,
        }
        self._log = folder.with_name(f"{folder.name}.log")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, release: Path) -> None:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "api.cli", "serve", "--port", str(self.port)],
                cwd=release,
                env={**self._variables, "PYTHONPATH": str(release)},
                stderr=log,
            )
        deadline = time.monotonic() + _MAX_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(requests.ConnectionError, requests.Timeout):
                if (await asyncio.to_thread(requests.get, f"{self.url}/health", timeout=5)).ok:
                    return
            await asyncio.sleep(0.1)
        raise TimeoutError(f"{release} did not start")

    @property
    def log(self) -> str:
        """What the last process of this node has logged."""
        return self._log.read_text()

    async def stop(self) -> None:
        """Stop the process in order; its exit code must be 0."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(self._process.wait, 20)
        if code != 0:
            raise RuntimeError(f"the service exited with {code}")

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def sources(release: str, folder: Path) -> Path:
    """Return a folder with the packages of a release."""
    path = Path(release)
    if path.is_dir():
        return path.absolute()
    folder.mkdir()
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            wheel.extractall(folder)
        return folder
    command = ["git", "-C", str(_ROOT), "archive", release]
    archive = subprocess.run(command, check=True, capture_output=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder
