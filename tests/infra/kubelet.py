"""What Kubernetes does with the pods of the chart, with processes behind HAProxy."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

import requests

from tests.eventually import eventually
from tests.infra.chart import ROOT, Object
from tests.ports import reserve_ports


class Balancer:
    """HAProxy with the project's configuration: the service for clients and its endpoints."""

    def __init__(self, folder: Path, node_ports: list[int]) -> None:
        (self.port,) = reserve_ports(1)
        self._control = folder / "haproxy.sock"
        self._configuration = folder / "haproxy.cfg"
        text = (ROOT / "infra" / "haproxy.cfg").read_text()
        text = re.sub(r"^resolvers .*\n(?:    .*\n)*", "", text, flags=re.MULTILINE)
        text = text.replace(" resolvers docker resolve-prefer ipv4 init-addr none", "")
        text = text.replace("bind :8000", f"bind 127.0.0.1:{self.port}")
        text = text.replace("global\n", f"global\n    stats socket {self._control} level admin\n")
        text, count = re.subn(r"^    server .*\n", "", text, flags=re.MULTILINE)
        assert count == len(node_ports)
        for number, port in enumerate(node_ports):
            text += f"    server node-{number} 127.0.0.1:{port}\n"
        self._configuration.write_text(text)

    async def __aenter__(self) -> Self:
        command = ["haproxy", "-db", "-f", str(self._configuration)]
        self._process = subprocess.Popen(command)
        await eventually(self._control.exists, awaiting="HAProxy")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def add_endpoint(self, number: int) -> None:
        self._command(f"set server nodes/node-{number} state ready")

    def remove_endpoint(self, number: int) -> None:
        """Send no new connections; open ones stay."""
        self._command(f"set server nodes/node-{number} state drain")

    def _command(self, text: str) -> None:
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self._control))
            control.sendall(f"{text}\n".encode())
            assert control.recv(1024).strip() == b""


class Pod:
    """A process with the arguments, the probes and the stop sequence of a pod of the chart.

    Kubernetes gives each pod an address; here each process has a port of its own.
    """

    def __init__(self, spec: Object, port: int, environment: dict[str, str]) -> None:
        (self._container,) = spec["containers"]
        self._grace_seconds = spec["terminationGracePeriodSeconds"]
        replaced = {"python": sys.executable, "0.0.0.0": "127.0.0.1", "8000": str(port)}
        self._arguments = [replaced.get(word, word) for word in self._container["args"]]
        self._url = f"http://127.0.0.1:{port}"
        self._environment = {**os.environ, **environment}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the process, and return when the probes of the chart find it ready."""
        self._process = await asyncio.create_subprocess_exec(
            *self._arguments, env=self._environment
        )
        for name in ("startupProbe", "readinessProbe"):
            await self._probed(self._container[name])

    async def stop(self) -> int:
        """Run the stop sequence and return the exit code of the process."""
        assert self._process is not None
        async with asyncio.timeout(self._grace_seconds):
            command = self._container["lifecycle"]["preStop"]["exec"]["command"]
            assert await (await asyncio.create_subprocess_exec(*command)).wait() == 0
            self._process.send_signal(signal.SIGTERM)
            return await self._process.wait()

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _probed(self, probe: Object) -> None:
        for _ in range(probe["failureThreshold"]):
            if await asyncio.to_thread(self._answers, probe):
                return
            await asyncio.sleep(probe["periodSeconds"])
        raise TimeoutError(f"the pod never answered {probe['httpGet']['path']}")

    def _answers(self, probe: Object) -> bool:
        try:
            url = self._url + probe["httpGet"]["path"]
            return requests.get(url, timeout=probe["timeoutSeconds"]).ok
        except requests.RequestException:
            return False
