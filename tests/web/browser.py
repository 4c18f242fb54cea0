"""The page of a service in a real Chromium, which hears a WAV file instead of a microphone."""

import asyncio
import base64
import contextlib
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

CHROMIUM = shutil.which("chromium")

DESKTOP = {"width": 1200, "height": 900}
PHONE = {"width": 390, "height": 844}

# What the browser's own parts hand to the client is told to the test as well.
_TAPS = """
globalThis.AudioWorkletNode = class extends AudioWorkletNode {
    constructor(...given) {
        super(...given);
        this.port.addEventListener('message', ({ data }) => {
            if (data.chunk) hand(data.chunk.slice(0));
        });
    }
};
globalThis.MediaRecorder = class extends MediaRecorder {
    constructor(...given) {
        super(...given);
        this.addEventListener('dataavailable', async ({ data }) => hand(await data.arrayBuffer()));
    }
};
function hand(buffer) {
    const characters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte));
    handedOver(btoa(characters.join('')));
}
"""


class Visit:
    """One tab with the service's page, and all that it did beside."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.handed_over: list[bytes] = []  # by microphone or recorder, to the client
        self.hosts: set[str] = set()
        self.complaints: list[str] = []

    async def prepare(self) -> None:
        def hand(chunk: str) -> None:
            self.handed_over.append(base64.b64decode(chunk))

        page = self.page
        await page.expose_function("handedOver", hand)
        await page.add_init_script(_TAPS)
        page.on("response", lambda answer: self.hosts.add(urlsplit(answer.url).netloc))
        page.on("websocket", lambda socket: self.hosts.add(urlsplit(socket.url).netloc))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._console)

    async def begin(self) -> None:
        """Start a recording; returns when it is one."""
        await self.page.get_by_role("button", name="Start recording").click()
        await self.state("Recording")

    async def end(self) -> None:
        """Stop the recording; returns when all of it is saved."""
        await self.page.get_by_role("button", name="Stop recording").click()
        await self.state("Saved", seconds=60)

    async def state(self, text: str, *, seconds: float = 30) -> None:
        state = self.page.locator("#recorder [data-part=state]", has_text=text)
        await state.wait_for(timeout=seconds * 1000)

    async def until(self, expression: str) -> None:
        """Return when a JavaScript expression is true; the page's policy forbids to poll there."""
        async with asyncio.timeout(30):
            while not await self.page.evaluate(expression):
                await asyncio.sleep(0.02)

    def _console(self, message: Any) -> None:
        # That a service which was killed does not answer is expected, and told by the page.
        is_expected = re.search("Failed to load|WebSocket connection to", message.text)
        if message.type == "error" and not is_expected:
            self.complaints.append(message.text)


class Visitor:
    """A browser of a person."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    @contextlib.asynccontextmanager
    async def visit(self, url: str, **options: Any) -> AsyncIterator[Visit]:
        """Open the page; at the end it must have loaded nothing from others, and not failed."""
        context = await self.context(**options)
        async with self.tab(context, url) as visit:
            yield visit
        await context.close()

    async def context(self, **options: Any) -> BrowserContext:
        context = await self._browser.new_context(**{"viewport": DESKTOP} | options)
        await context.grant_permissions(["microphone", "clipboard-read", "clipboard-write"])
        return context

    @contextlib.asynccontextmanager
    async def tab(self, context: BrowserContext, url: str) -> AsyncIterator[Visit]:
        visit = Visit(await context.new_page())
        await visit.prepare()
        await visit.page.goto(url)
        yield visit
        assert not visit.complaints, visit.complaints
        assert visit.hosts - {""} == {urlsplit(url).netloc}  # "": what the page has made itself


@contextlib.asynccontextmanager
async def visitor(microphone: Path) -> AsyncIterator[Visitor]:
    """A Chromium whose microphone hears a WAV file, once, from when it is opened."""
    assert CHROMIUM is not None, "there is no chromium: make test installs Debian's, as root"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--autoplay-policy=no-user-gesture-required",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                f"--use-file-for-fake-audio-capture={microphone}%noloop",
            ],
        )
        yield Visitor(browser)
        await browser.close()
