"""The page of a service in a real Chromium whose microphone plays a WAV file."""

import base64
import contextlib
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.eventually import eventually

CHROMIUM = shutil.which("chromium")

DESKTOP = {"width": 1200, "height": 900}
PHONE = {"width": 390, "height": 844}

# Collects what the browser delivers to the client, to compare it with the recording.
_DELIVERED_CHUNKS = (Path(__file__).parent / "delivered_chunks.js").read_text()


class PageTab:
    """One tab with the service's page, its chunks, its requests' hosts and its errors."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.delivered_chunks: list[bytes] = []  # from microphone or MediaRecorder to the client
        self.hosts: set[str] = set()
        self.page_errors: list[str] = []
        self.missing: list[str] = []  # addresses that the service does not have

    async def prepare(self) -> None:
        def collect_chunk(chunk: str) -> None:
            self.delivered_chunks.append(base64.b64decode(chunk))

        page = self.page
        await page.expose_function("collectChunk", collect_chunk)
        await page.add_init_script(_DELIVERED_CHUNKS)
        page.on("response", self._response)
        page.on("websocket", lambda socket: self.hosts.add(urlsplit(socket.url).netloc))
        page.on("pageerror", lambda error: self.page_errors.append(str(error)))
        page.on("console", self._console)

    async def start_recording(self) -> None:
        """Start a recording; return when the session exists."""
        await self.page.get_by_role("button", name="Start recording").click()
        await self.wait_for_state("Recording", exact=True)

    async def stop_recording(self) -> None:
        """Stop the recording; return when the session is completed."""
        await self.page.get_by_role("button", name="Stop recording").click()
        await self.wait_for_state("Saved", seconds=60)

    async def wait_for_state(self, text: str, *, seconds: float = 30, exact: bool = False) -> None:
        wanted = re.compile(f"^{re.escape(text)}$") if exact else text
        state = self.page.locator("#recorder [data-part=state]", has_text=wanted)
        await state.wait_for(timeout=seconds * 1000)

    async def wait_until(self, expression: str) -> None:
        """Return when an expression is true; poll from here, as the page's policy forbids it."""
        await eventually(lambda: self.page.evaluate(expression), awaiting=expression)

    def _response(self, answer: Any) -> None:
        self.hosts.add(urlsplit(answer.url).netloc)
        if answer.status == 404:
            self.missing.append(answer.url)

    def _console(self, message: Any) -> None:
        # Failed requests to a killed service are expected; the page shows a notice.
        is_expected = re.search("Failed to load|WebSocket connection to", message.text)
        if message.type == "error" and not is_expected:
            self.page_errors.append(message.text)


class PageBrowser:
    """A browser that opens the service's page in tabs and checks them for errors."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    @contextlib.asynccontextmanager
    async def open_page(self, url: str, **options: Any) -> AsyncIterator[PageTab]:
        """Open the page. At the end, fail if it had errors or loaded from another host."""
        context = await self.new_context(**options)
        async with self.open_tab(context, url) as tab:
            yield tab
        await context.close()

    async def close_pages(self) -> None:
        """Close all that is open, with what it has stored."""
        for context in self._browser.contexts:
            await context.close()

    async def new_context(self, **options: Any) -> BrowserContext:
        context = await self._browser.new_context(**{"viewport": DESKTOP} | options)
        await context.grant_permissions(["microphone", "clipboard-read", "clipboard-write"])
        return context

    @contextlib.asynccontextmanager
    async def open_tab(self, context: BrowserContext, url: str) -> AsyncIterator[PageTab]:
        tab = PageTab(await context.new_page())
        await tab.prepare()
        await tab.page.goto(url)
        yield tab
        assert not tab.page_errors, tab.page_errors
        assert tab.hosts - {""} == {urlsplit(url).netloc}  # "" for blob and data URLs


@contextlib.asynccontextmanager
async def launch_browser(microphone: Path) -> AsyncIterator[PageBrowser]:
    """Run a Chromium whose microphone plays a WAV file once after it is opened."""
    assert CHROMIUM is not None, "chromium is not installed; `make test` as root installs it"
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
        yield PageBrowser(browser)
        await browser.close()
