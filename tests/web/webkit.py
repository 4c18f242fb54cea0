"""WebKitGTK's MiniBrowser by the WebDriver protocol (W3C), under a display of its own."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import requests

from tests.eventually import eventually
from tests.ports import reserve_ports

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element's id (W3C WebDriver, 12.1)


class WebKitPage:
    """One page of the browser."""

    def __init__(self, session_url: str) -> None:
        self._session_url = session_url

    def goto(self, url: str) -> None:
        self._post("url", {"url": url})

    def click(self, selector: str) -> None:
        found = self._post("element", {"using": "css selector", "value": selector})
        self._post(f"element/{found[_ELEMENT]}/click", {})

    def evaluate(self, expression: str) -> Any:
        return self._post("execute/sync", {"script": f"return {expression}", "args": []})

    async def until(self, expression: str) -> Any:
        """Return the value of an expression as soon as it is true."""
        return await eventually(lambda: self.evaluate(expression), awaiting=expression)

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        answer = requests.post(f"{self._session_url}/{path}", json=body, timeout=60).json()
        assert not (isinstance(answer["value"], dict) and "error" in answer["value"]), answer
        return answer["value"]


@contextlib.asynccontextmanager
async def open_webkit(folder: Path) -> AsyncIterator[WebKitPage]:
    """Run the browser, whose microphone is a tone; its files are in ``folder``."""
    (port,) = reserve_ports(1)
    with (
        _display(folder) as environment,
        _process(["WebKitWebDriver", f"--port={port}"], environment, folder / "driver.log"),
    ):
        url = f"http://127.0.0.1:{port}"
        await eventually(lambda: _is_ready(url), awaiting="WebKitWebDriver")
        options = {
            "binary": str(_mini_browser()),
            "args": [
                "--automation",
                "--enable-media-stream=true",
                "--enable-mock-capture-devices=true",
            ],
        }
        capabilities = {"alwaysMatch": {"webkitgtk:browserOptions": options}}
        created = requests.post(
            f"{url}/session", json={"capabilities": capabilities}, timeout=60
        ).json()
        session_url = f"{url}/session/{created['value']['sessionId']}"
        try:
            yield WebKitPage(session_url)
        finally:
            requests.delete(session_url, timeout=60)


def _mini_browser() -> Path:
    (found, *_) = sorted(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"))
    return found


def _is_ready(url: str) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        return bool(requests.get(f"{url}/status", timeout=10).json()["value"]["ready"])
    return False


@contextlib.contextmanager
def _display(folder: Path) -> Iterator[dict[str, str]]:
    """Run an X server; yield the environment of its clients."""
    assert shutil.which("Xvfb") is not None, "xvfb is not installed; `make test-long` installs it"
    reading, writing = os.pipe()
    command = [
        "Xvfb",
        "-displayfd",
        str(writing),
        "-screen",
        "0",
        "1200x900x24",
        "-nolisten",
        "tcp",
    ]
    with (folder / "display.log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log, pass_fds=[writing])
    os.close(writing)
    try:
        with os.fdopen(reading) as numbers:
            number = numbers.readline().strip()
        home = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
        yield {**os.environ, **home, "DISPLAY": f":{number}", "GDK_BACKEND": "x11"}
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def _process(command: list[str], environment: dict[str, str], log_path: Path) -> Iterator[None]:
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait()
