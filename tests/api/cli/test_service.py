"""The service as a process: where it listens."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine


@pytest.mark.parametrize(
    ("host", "reached", "refused"),
    [("::", ["::1", "127.0.0.1"], []), ("::1", ["::1"], ["127.0.0.1"])],
)
def test_all_addresses_are_those_of_ipv4_and_ipv6(
    host: str, reached: list[str], refused: list[str], tmp_path: Path
) -> None:
    environ = {"AUTH_MODE": "none", "AUDIO_STORAGE_PATH": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-m", "api.cli", "serve", "--port", "0", "--host", host],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environ},
    ) as process:
        assert process.stderr is not None
        running = next(line for line in process.stderr if "Uvicorn running on" in line)
        ((named, port),) = re.findall(r"http://\[(.*)\]:(\d+) ", running)
        assert named == host
        for address in reached:
            socket.create_connection((address, int(port)), timeout=5).close()
        for address in refused:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((address, int(port)), timeout=5)
        process.terminate()
